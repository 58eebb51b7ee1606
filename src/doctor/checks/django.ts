import { cannotTell, fault, ofTables, warning, type Check, type Finding } from '../check.js';

/** What simplejwt has shipped, up to 5.5. */
const SIMPLEJWT_MIGRATIONS = [
  '0001_initial',
  '0002_outstandingtoken_jti_hex',
  '0003_auto_20171017_2007',
  '0004_auto_20171017_2013',
  '0005_remove_outstandingtoken_jti',
  '0006_auto_20171017_2113',
  '0007_auto_20171017_2214',
  '0008_migrate_to_bigautofield',
  '0009_auto_20210525_2224',
  '0010_fix_migrate_to_bigautofield',
  '0011_linearizes_history',
  '0012_alter_outstandingtoken_user',
  '0013_alter_blacklistedtoken_options_and_more',
];

/** With it `token` became unbounded and ids became bigint; all before it are of 2017. */
const LAST_NEEDED = '0008_migrate_to_bigautofield';

export const DJANGO_CHECKS: readonly Check[] = [
  ofTables('django_migrations', "Django's migrations of token_blacklist are simplejwt's", ({ facts }) => {
    if (!facts.django) return [];
    if ('why' in facts.django_migrations) {
      return cannotTell(`django_migrations could not be read: ${facts.django_migrations.why}`);
    }
    const applied = facts.django_migrations.value;
    if (applied.length === 0) {
      return [
        warning(
          'The token tables are there, but Django has not written down that it made them: its next `migrate` will fail on them.',
          'If INSTALLED_APPS has token_blacklist: `manage.py migrate token_blacklist --fake`.',
        ),
      ];
    }
    const found: Finding[] = [];
    const stray = applied.filter((name) => !SIMPLEJWT_MIGRATIONS.includes(name));
    if (stray.length > 0) {
      found.push(
        warning(
          `token_blacklist has migrations that simplejwt never shipped: ${stray.join(', ')}. They were made by \`makemigrations\` in one installation, as a rule because of DEFAULT_AUTO_FIELD; the next one has not got them.`,
          "Compare the tables with simplejwt's models, take the rows out of django_migrations, and the files out of site-packages.",
        ),
      );
    }
    if (!applied.includes(LAST_NEEDED)) {
      found.push(
        fault(
          `Django stopped at ${applied.at(-1) ?? 'nothing'} of token_blacklist: the tables are not what simplejwt works with.`,
          'Run `manage.py migrate token_blacklist`.',
        ),
      );
    }
    return found;
  }),
];

import { fault, note, ofTables, warning, type Check, type Finding } from '../check.js';

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
    const applied = facts.django_migrations;
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
  ofTables('user_table', 'the table of users is found', ({ schema }, { options }) => {
    if (schema.kind === 'refused') {
      return schema.code === 'USER_TABLE_MISSING'
        ? [fault(schema.message, 'Correct --user-table, --user-id-column or --user-active-column.')]
        : undefined;
    }
    if (options.userCheck === 'off' || schema.userTable !== undefined) return [];
    return [
      warning(
        'No user table was found: deactivated and deleted users go on refreshing.',
        'Name it with --user-table, --user-id-column and --user-active-column.',
      ),
    ];
  }),
  ofTables('user_ids', "tokens' user ids are what the tables hold", ({ schema, samples }, { options }) => {
    if (schema.kind !== 'read' || samples.length === 0) return undefined;
    if (samples.every(({ userId }) => userId === 'absent')) {
      const has = [...new Set(samples.flatMap(({ claims }) => claims))].sort().join(', ');
      return [
        fault(
          `The newest tokens have no claim ${options.userIdClaim}; they have ${has}.`,
          "Give --user-id-claim the name that Django's USER_ID_CLAIM has.",
        ),
      ];
    }
    if (samples.some(({ userId }) => userId === 'unfit')) {
      return [
        fault(
          `User ids of the newest tokens don't fit the key of users, which is of the type ${schema.userIdType}.`,
          'Give --user-id-column the column that USER_ID_FIELD names, and --user-table its table.',
        ),
      ];
    }
    const [texts, numbers] = [has(samples, 'text'), has(samples, 'number')];
    if (texts && numbers) {
      return [
        note(
          'Some tokens name users by number and some by text: simplejwt was updated to 5.5 lately, or two versions are at work.',
          'Both are accepted; nothing is to be done.',
        ),
      ];
    }
    const written = texts ? '5.5' : '5.2';
    if (written === options.compat || schema.userIdType === 'uuid') return [];
    return [
      note(
        `Tokens name users by ${texts ? 'text' : 'number'}, as simplejwt ${texts ? 'from 5.5 on' : 'before 5.5'} does; --simplejwt-compat is ${options.compat}.`,
        `If clients compare texts of errors, set --simplejwt-compat ${written}.`,
      ),
    ];
  }),
];

function has(samples: readonly { readonly userId: string }[], kind: string): boolean {
  return samples.some(({ userId }) => userId === kind);
}

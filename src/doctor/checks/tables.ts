import {
  cannotTell,
  fault,
  ofDatabase,
  ofQuery,
  ofTables,
  warning,
  type Check,
  type Finding,
} from '../check.js';
import type { Database } from '../../store/database.js';
import type { DatabaseFacts, TableFacts } from '../evidence.js';

export const TABLE_CHECKS: readonly Check[] = [
  ofDatabase('home', 'a schema of ours belongs to the Django of this connection', ({ schema }) =>
    schema.kind === 'refused' && schema.code === 'OTHER_SCHEMA'
      ? [fault(schema.message, 'Do as it says, and run doctor again.')]
      : [],
  ),
  ofDatabase('token_tables', "simplejwt's tables are there, or not, as you say", ({ facts }, { options }) => {
    if (!options.tokenTables) return facts.tables.length === 0 ? [] : [thereAfterAll(facts.tables)];
    const missing = [
      ...(facts.outstanding ? [] : ['token_blacklist_outstandingtoken']),
      ...(facts.blacklisted ? [] : ['token_blacklist_blacklistedtoken']),
    ];
    if (missing.length === 0) return [];
    const elsewhere = facts.tables.filter(({ name, visible }) => !visible && missing.includes(name));
    return [elsewhere.length > 0 ? inOtherSchema(elsewhere, facts) : nowhere(missing, facts)];
  }),
  ofTables('columns', "the tables are simplejwt's", ({ facts }) =>
    facts.missing_columns.length === 0
      ? []
      : [
          fault(
            `Missing: ${facts.missing_columns.join(', ')}.`,
            'Is this the database that Django uses? If it is, run `manage.py migrate token_blacklist`. If Django answers "No migrations to apply", ' +
              'the column was renamed or dropped by hand: look with `\\d TABLE` in psql, then ALTER TABLE ... RENAME COLUMN its_name_now TO its_name_here;',
          ),
        ],
  ),
  ofTables('unique', 'one token, one row: the constraints that decide who wins', ({ facts }) => {
    const missing: Finding[] = [];
    const mend = (table: string, column: string): string =>
      `Remove duplicates, then: CREATE UNIQUE INDEX CONCURRENTLY ON ${table} (${column});`;
    if (!facts.unique_token_id) {
      missing.push(
        fault(
          'token_blacklist_blacklistedtoken has no valid unique index on token_id: two could rotate one token.',
          mend('token_blacklist_blacklistedtoken', 'token_id'),
        ),
      );
    }
    if (!facts.unique_jti) {
      missing.push(
        fault(
          'token_blacklist_outstandingtoken has no valid unique index on jti: one token could have two rows.',
          mend('token_blacklist_outstandingtoken', 'jti'),
        ),
      );
    }
    return missing;
  }),
  ofTables('migrations', 'the migrations of carelink-tokens are applied', ({ overview }) => {
    if ('why' in overview) return cannotTell(`it could not be read: ${overview.why}`);
    const open = overview.value.migrations.filter(({ state }) => state !== 'applied' && state !== 'covered');
    const invalid = open.filter(({ state }) => state === 'invalid');
    const pending = open.filter(({ state }) => state !== 'invalid');
    const names = (of: typeof open): string => of.map(({ name }) => name).join(', ');
    const found: Finding[] = [];
    if (invalid.length > 0) {
      found.push(
        fault(
          `An index is invalid: ${names(invalid)}. Its build broke off; it is kept up to date and serves nobody.`,
          'Run `carelink-tokens migrate`: it drops and builds it anew, beside live traffic.',
        ),
      );
    }
    if (pending.length > 0) {
      const needed = pending.some(({ name }) => NEEDED.has(name));
      const what = `Not applied: ${names(pending)}.`;
      const mend = 'Run `carelink-tokens migrate` on this database.';
      found.push(needed ? fault(what, mend) : warning(what, mend));
    }
    return found;
  }),
  ofQuery('expired', 'expired tokens are cleaned up', readLongExpired, (expired, _, { options }) => {
    if (expired.overdue > MANY_OVERDUE) {
      const what = `More than ${MANY_OVERDUE.toLocaleString('en')} tokens expired more than ${OVERDUE_DAYS} days ago`;
      return options.cleansUp
        ? [
            warning(
              `${what}, though serve cleans up.`,
              'Look in its log for `cleanup_failed` and what it gave way to.',
            ),
          ]
        : [warning(`${what}: nobody cleans up, or not often enough.`, CLEAN_UP)];
    }
    return expired.long && !options.cleansUp
      ? [warning('There are tokens that expired more than 30 days ago: nobody cleans up.', CLEAN_UP)]
      : [];
  }),
];

const CLEAN_UP = 'Schedule `carelink-tokens cleanup`, or start serve with --cleanup-every 1h.';

/** A day longer than the cleanup keeps them by default. Some there always are: it runs now and then. */
const OVERDUE_DAYS = 8;
const MANY_OVERDUE = 10_000;

async function readLongExpired(
  database: Database,
): Promise<{ readonly long: boolean; readonly overdue: number }> {
  const [row] = await database.query<{ long: boolean; overdue: number }>('health', {
    text: `SELECT EXISTS (SELECT FROM token_blacklist_outstandingtoken
                           WHERE expires_at < now() - interval '30 days') AS long,
                  (SELECT count(*)::int FROM (SELECT FROM token_blacklist_outstandingtoken
                                               WHERE expires_at < now() - interval '${OVERDUE_DAYS} days'
                                               LIMIT ${MANY_OVERDUE + 1}) AS few) AS overdue`,
  });
  return row ?? { long: false, overdue: 0 };
}

/** Made anew beside them, they would be a second and empty set: every log-out would be undone. */
function thereAfterAll(tables: readonly TableFacts[]): Finding {
  return fault(
    `--token-tables none says that there are no token tables, but there are: ${tables.map(({ schema, name }) => `${schema}.${name}`).join(', ')}. The server does not start: log-outs that are written there would not hold.`,
    'Leave --token-tables out. If no Django of this database uses the tables any more, drop them first.',
  );
}

function inOtherSchema(tables: readonly TableFacts[], { role }: DatabaseFacts): Finding {
  const schemas = [...new Set(tables.map(({ schema }) => schema))];
  const names = [...new Set(tables.map(({ name }) => name))].join(' and ');
  const shut = [...new Set(tables.filter(({ reachable }) => !reachable).map(({ schema }) => schema))];
  if (shut.length > 0) {
    return fault(
      `The role ${role} may not look into the schema ${shut.join(', ')}, which has ${names}.`,
      `As the owner: GRANT USAGE ON SCHEMA ${shut.join(', ')} TO ${role}. Do not use --create-tables.`,
    );
  }
  return fault(
    `${names} ${tables.length === 1 ? 'is' : 'are'} in the schema ${schemas.join(', ')}, which the search path of the connection doesn't have.`,
    `Give --schema ${schemas[0] ?? ''}, or --database-url the search path that Django has: ?options=-c%20search_path%3D${schemas[0] ?? ''}. Do not use --create-tables.`,
  );
}

function nowhere(missing: readonly string[], facts: DatabaseFacts): Finding {
  const what = `The database has no table ${missing.join(' and no table ')}.`;
  if (!facts.django) {
    return fault(
      `${what} It has no django_migrations either: this is not Django's database.`,
      'Correct --database-url; or, where no Django is in charge, run `carelink-tokens migrate --create-tables`.',
    );
  }
  if ('why' in facts.django_migrations) {
    return fault(
      `${what} Whether Django has migrated token_blacklist can't be told: ${facts.django_migrations.why}.`,
      "If INSTALLED_APPS lacks 'rest_framework_simplejwt.token_blacklist', add it; then run `manage.py migrate token_blacklist`. " +
        `To be told which it is, let ${facts.role} read django_migrations, and run this again.`,
    );
  }
  return facts.django_migrations.value.length > 0
    ? fault(
        `${what} Yet Django has written down that token_blacklist is migrated.`,
        'They were dropped: restore them, or run `manage.py migrate token_blacklist zero --fake` and then `manage.py migrate token_blacklist`.',
      )
    : fault(
        `${what} Django is there, but its app rest_framework_simplejwt.token_blacklist is not installed.`,
        "Add 'rest_framework_simplejwt.token_blacklist' to INSTALLED_APPS and run `manage.py migrate token_blacklist`.",
      );
}

/** Without these `serve` doesn't start. */
const NEEDED = new Set(['carelink_schema', 'token_tables']);

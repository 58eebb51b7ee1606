import { cannotTell, fault, ofDatabase, ofTables, warning, type Check } from '../check.js';
import { withoutSchema } from './users.js';

/** Kept free for Django, and for whoever has to look when something is wrong. */
const SPARE_CONNECTIONS = 10;

export const DATABASE_CHECKS: readonly Check[] = [
  {
    id: 'database',
    title: 'the database answers',
    judge: ({ database }) =>
      database.kind === 'reached' ? [] : [fault(database.message, unreachableMend(database.code))],
  },
  ofDatabase('primary', 'the server is a primary, and not read-only', ({ facts }) => {
    if (facts.standby) {
      return [fault('This server is a standby, and takes no writes.', 'Give --database-url of the primary.')];
    }
    if (!facts.read_only) return [];
    return [
      fault(
        `Sessions of the role ${facts.role} are read only: default_transaction_read_only is on for the role, the database or the server.`,
        'If it is not meant to keep writes out, take it back: `\\drds` in psql shows where it is set. ALTER ROLE, ALTER DATABASE ' +
          '(from another database) or ALTER SYSTEM ... RESET default_transaction_read_only.',
      ),
    ];
  }),
  ofDatabase('server', 'the server is one that can be worked with', ({ overview }) =>
    'why' in overview
      ? cannotTell(`the state of the migrations could not be read: ${overview.why}`)
      : overview.value.findings
          .filter(({ code }) => code === 'server_version')
          .map(({ message }) => warning(message, "Update PostgreSQL to its branch's newest release.")),
  ),
  ofDatabase('connections', 'there are connections enough', ({ facts, embedded }, { options }) => {
    const free = facts.max_connections - facts.other_connections;
    if (embedded || free >= options.poolSize + SPARE_CONNECTIONS) return [];
    const what = `Of max_connections = ${facts.max_connections}, ${free} are free; --pool-size takes ${options.poolSize} an instance.`;
    const mend = 'Lower --pool-size, put PgBouncer between, or raise max_connections.';
    return [free < options.poolSize ? fault(what, mend) : warning(what, mend)];
  }),
  ofTables('grants', 'the role may do what refreshes do', (database) => {
    const { facts, schema } = database;
    const missing = facts.missing_rights;
    if (missing.length > 0) {
      return [
        fault(
          `The role ${facts.role} lacks: ${missing.join(', ')}.`,
          `As their owner, run what \`carelink-tokens migrate grants --role ${facts.role}\` prints.`,
        ),
      ];
    }
    if (schema.kind === 'refused' && schema.code === 'GRANTS_MISSING') {
      return [fault(schema.message, `Grant it to ${facts.role}.`)];
    }
    if (schema.kind !== 'read') return withoutSchema(database);
    switch (schema.health) {
      case 'ok':
        return [];
      case 'grants missing':
        return [
          fault(
            `The role ${facts.role} lacks a right on the user table${schema.userTable === undefined ? '' : ` ${schema.userTable}`} or on a table in the schema ${facts.own}.`,
            `As their owner, run what \`carelink-tokens migrate grants --role ${facts.role}\` prints.`,
          ),
        ];
      default:
        return cannotTell(`the database says: ${schema.health}`);
    }
  }),
  ofTables(
    'row_security',
    'row-level security hides no token and no user from the role',
    ({ facts, schema }) => {
      const hiding = facts.tables.filter(({ visible, hidden_rows }) => visible && hidden_rows);
      if (hiding.length === 0) {
        if (schema.kind !== 'read' || schema.health !== 'rows hidden') return [];
        return [
          fault(
            `Row-level security of the user table, or of a table in carelink, applies to the role ${facts.role}: every refresh is 503.`,
            `ALTER ROLE ${facts.role} BYPASSRLS, or connect as the tables' owner.`,
          ),
        ];
      }
      return [
        fault(
          `Row-level security of ${hiding.map(({ name }) => name).join(' and ')} applies to the role ${facts.role}: a row that it hides is a token that nobody has spent.`,
          `Let the role see and write all rows: ALTER ROLE ${facts.role} BYPASSRLS, or connect as the tables' owner.`,
        ),
      ];
    },
  ),
];

/** What to do about a database that can't be worked with, by the code that it was refused with. */
function unreachableMend(code: string | undefined): string {
  switch (code) {
    case '28P01':
      return 'Correct the password in --database-url (DATABASE_URL).';
    case '28000':
      return 'Correct the role in --database-url (DATABASE_URL), or let it in: CREATE ROLE ... LOGIN, and a line in pg_hba.conf.';
    case '3D000':
      return "Correct the database's name in --database-url (DATABASE_URL).";
    case '55000':
      return 'Let sessions in again: ALTER DATABASE ... ALLOW_CONNECTIONS true.';
    case '42501':
      return 'As the owner: GRANT CONNECT ON DATABASE ... TO the role.';
    case '53300':
      return 'All connections are taken: raise max_connections, lower --pool-size, or put PgBouncer between.';
    case 'DATABASE_TLS_FAILED':
      return 'Correct sslmode or sslrootcert in --database-url (DATABASE_URL), or the certificate of the server.';
    default:
      return 'Start it, or correct --database-url (DATABASE_URL).';
  }
}

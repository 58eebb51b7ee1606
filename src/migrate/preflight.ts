import { howToReach, INSTALL_BLACKLIST, type Relation } from '../store/token-tables.js';
import type { Owned } from '../store/own-schema.js';
import type { TableFacts } from './catalog.js';
import type { Blocker } from './blocker.js';
import type { IndexFacts } from './coverage.js';
import type { Migration } from './files.js';
import type { Standing } from './standing.js';

/** What was found before anything was done. `refuse` stops the run; `warn` says what may make it slow. */
export interface Finding {
  readonly severity: 'refuse' | 'warn';
  readonly code:
    | 'tables_missing'
    | 'server_version'
    | 'standby'
    | 'not_plain_table'
    | 'not_owner'
    | 'no_create_right'
    | 'foreign_build'
    | 'long_transaction'
    | 'prepared_transaction'
    | 'maintenance'
    | 'invalid_index'
    | 'users_untold'
    | 'revocations_unread'
    | 'cleanup_running'
    | 'published'
    | 'schema_stays';
  readonly message: string;
  /** What is to be run elsewhere before: on the subscribers of a publication. */
  readonly sql?: string;
}

/** Who is sent the changes of each table that is made. */
export interface Followers {
  /** `schema` undefined: of all tables. */
  readonly publications: readonly { readonly name: string; readonly schema: string | undefined }[];
  /** Logical slots of this database that publications are read through. */
  readonly slots: readonly string[];
}

export interface ServerFacts extends Owned {
  /** server_version_num: 150020 is 15.20. */
  readonly versionNum: number;
  readonly version: string;
  readonly standby: boolean;
  /** Our own schema is there, and it and the ledger in it may be written to; or it may be made. */
  readonly mayCreateOurs: boolean;
  /** Of our own schema, where it is there. */
  readonly ownerOfOurs: string | undefined;
  readonly role: string;
}

export interface Surroundings {
  readonly longTransactions: readonly Blocker[];
  readonly prepared: readonly { readonly gid: string; readonly ageMs: number }[];
  readonly maintenance: readonly Maintenance[];
  /** Runs of `carelink-tokens cleanup`. */
  readonly cleanups: readonly Blocker[];
  /** Tables or views of the names that are asked for, in schemas that the search path doesn't have. */
  readonly outOfPath: readonly Relation[];
}

/** Something that holds the table's lock for maintenance, which an index build waits for. */
export interface Maintenance {
  readonly pid: number;
  readonly table: string;
  readonly what: 'CREATE INDEX' | 'VACUUM' | 'VACUUM FULL or CLUSTER';
  /** The index that is being built. */
  readonly index: string | undefined;
  readonly ageMs: number | undefined;
}

/** From when on a transaction is told of. */
export const LONG_TRANSACTION_MS = 60_000;

const OLDEST_SERVER = 140_000;
/** https://www.postgresql.org/docs/release/14.4/: CREATE INDEX CONCURRENTLY could leave rows out. */
const FIRST_SOUND_14 = 140_004;

/** What keeps migrations from being looked at at all. */
export function judgeServer(server: ServerFacts): Finding[] {
  const refuse = (code: Finding['code'], message: string): Finding => ({ severity: 'refuse', code, message });
  const findings: Finding[] = [];
  if (server.versionNum < OLDEST_SERVER) {
    findings.push(refuse('server_version', `This is PostgreSQL ${server.version}; 14.4 or newer is needed.`));
  } else if (server.versionNum < FIRST_SOUND_14) {
    findings.push(
      refuse(
        'server_version',
        `This is PostgreSQL ${server.version}, whose CREATE INDEX CONCURRENTLY can leave rows out of an index ` +
          '(fixed in 14.4). Update the server first.',
      ),
    );
  }
  if (server.standby) {
    findings.push(refuse('standby', 'This server is a standby: run migrate on its primary.'));
  }
  return findings;
}

/** What stands against doing what is to be done. */
export function judgeWork(
  standings: readonly Standing[],
  server: ServerFacts,
  tables: readonly TableFacts[],
  around: Surroundings,
  createTables: boolean,
): Finding[] {
  const missing = judgeMissing(standings, server, tables, around, createTables);
  if (missing.length > 0) return missing;
  const work = standings.filter(({ action }) => action !== 'nothing' && action !== 'leave');
  if (work.length === 0) return [];
  const findings: Finding[] = [];
  if (!server.mayCreateOurs) {
    findings.push({
      severity: 'refuse',
      code: 'no_create_right',
      message:
        server.ownerOfOurs === undefined
          ? `The role ${server.role} may not make the schema ${server.own}, where the ledger is kept. Let the database's ` +
            `owner run this, or: CREATE SCHEMA ${server.own} AUTHORIZATION ${server.role}.`
          : `The role ${server.role} may not write to the schema ${server.own}, where the ledger is kept. It belongs to ` +
            `${server.ownerOfOurs}: connect as that role.`,
    });
  }
  const altered = new Set(
    work.flatMap(({ migration, action }) => (action === 'cover' ? [] : migration.tables)),
  );
  for (const table of tables.filter(({ name }) => altered.has(name))) findings.push(...judgeTable(table));
  const building = work.filter(({ action, migration }) => action === 'build' && migration.kind === 'index');
  if (building.length > 0) findings.push(...judgeSurroundings(building, around));
  return findings;
}

/** Without the tables there is nothing to migrate. */
function judgeMissing(
  standings: readonly Standing[],
  { role }: ServerFacts,
  tables: readonly TableFacts[],
  { outOfPath }: Surroundings,
  createTables: boolean,
): Finding[] {
  for (const { migration, action } of standings) {
    const missing = migration.tables.filter((name) => !tables.some((table) => table.name === name));
    if (missing.length === 0) continue;
    const some = missing.length < migration.tables.length;
    // A second set, and an empty one: every token that was logged out would live again.
    if (outOfPath.length > 0) {
      const [first] = outOfPath;
      const message =
        `There is no table ${missing.join(', ')} in the search path of the role ${role}, but there is ` +
        `${outOfPath.map(({ qualified }) => qualified).join(', ')}. ${howToReach(first?.schema ?? '', role)}` +
        (createTables ? ' A second set is not made beside it: it would know of no log-out.' : '');
      return [{ severity: 'refuse', code: 'tables_missing', message }];
    }
    // All that comes after it is about the tables that it makes.
    if (migration.kind === 'tables' && action === 'run' && createTables && !some) return [];
    const message =
      `The database has no table ${missing.join(', ')}. ${INSTALL_BLACKLIST}` +
      (some ? '.' : ', or, where no Django is in charge, `carelink-tokens migrate --create-tables`.');
    return [{ severity: 'refuse', code: 'tables_missing', message }];
  }
  return [];
}

/** REINDEX CONCURRENTLY builds under such a name, or leaves the old index under it; a number makes it unique. */
const OF_A_REINDEX = /_cc(new|old)\d*$/;

/** Invalid indexes that no migration builds, and so none removes: whose they are, only the operator knows. */
export function judgeInvalid(
  migrations: readonly Migration[],
  indexes: readonly IndexFacts[],
  { maintenance }: Surroundings,
): Finding[] {
  return indexes
    .filter(
      ({ valid, name }) =>
        !valid &&
        !migrations.some((migration) => migration.name === name) &&
        !maintenance.some(({ index }) => index === name),
    )
    .map(({ name, table, qualifiedName }) => {
      const rebuild = OF_A_REINDEX.test(name) ? '' : `REINDEX INDEX CONCURRENTLY ${qualifiedName}; or `;
      const message =
        `${name} on ${table} is invalid and not this tool's: it costs writes and answers nothing. A REINDEX or a ` +
        `build that was broken off left it. If none is running: ${rebuild}DROP INDEX CONCURRENTLY ${qualifiedName};`;
      return { severity: 'warn', code: 'invalid_index', message };
    });
}

export function notOwner({ name, owner }: TableFacts): string {
  return (
    `Only the owner of ${name} may make indexes on it, in a schema that he may create in. That is ${owner}: ` +
    'connect as the role that Django migrates with.'
  );
}

function judgeTable(table: TableFacts): Finding[] {
  if (table.kind !== 'table') {
    const message = `${table.name} is no plain table: an index can't be built on it CONCURRENTLY. simplejwt makes a plain one.`;
    return [{ severity: 'refuse', code: 'not_plain_table', message }];
  }
  if (!table.owned) return [{ severity: 'refuse', code: 'not_owner', message: notOwner(table) }];
  return [];
}

function judgeSurroundings(building: readonly Standing[], around: Surroundings): Finding[] {
  const warn = (code: Finding['code'], message: string): Finding => ({ severity: 'warn', code, message });
  const names = new Set(building.map(({ migration }) => migration.name));
  return [
    ...around.maintenance
      .filter(({ index }) => index !== undefined && names.has(index))
      .map(({ pid, index }): Finding => {
        const message = `Session ${pid} is building ${index ?? ''} at this moment, and it isn't this tool. Wait for it.`;
        return { severity: 'refuse', code: 'foreign_build', message };
      }),
    ...around.maintenance
      .filter(({ index }) => index === undefined || !names.has(index))
      .map(({ pid, what, table }) =>
        warn('maintenance', `${what} runs on ${table} (session ${pid}): a build begins when it has ended.`),
      ),
    ...around.longTransactions.map((one) =>
      warn(
        'long_transaction',
        `A transaction is ${inWords(one.ageMs ?? 0)} old (session ${one.pid}${one.application ? `, ${one.application}` : ''}, ` +
          `${one.state ?? 'state unknown'}): a build can't end before it does. It stalls nobody meanwhile.`,
      ),
    ),
    ...around.prepared.map(({ gid, ageMs }) =>
      warn(
        'prepared_transaction',
        `Prepared transaction ${gid} is ${inWords(ageMs)} old: a build waits for it until it is committed or rolled back.`,
      ),
    ),
    ...around.cleanups.map(({ pid }) =>
      warn(
        'cleanup_running',
        `A cleanup is running (session ${pid}): both take longer, and neither stops the other.`,
      ),
    ),
  ];
}

export function inWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

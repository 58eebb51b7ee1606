import type { TableFacts } from './catalog.js';
import type { Blocker } from './blocker.js';
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
    | 'cleanup_running';
  readonly message: string;
}

export interface ServerFacts {
  /** server_version_num: 150020 is 15.20. */
  readonly versionNum: number;
  readonly version: string;
  readonly standby: boolean;
  /** Temporary tables may be made: `plan` and `up` look at empty copies. */
  readonly mayCreateTemporary: boolean;
  /** The schema carelink is there and may be written to, or may be made. */
  readonly mayCreateOurs: boolean;
  readonly role: string;
}

export interface Surroundings {
  readonly longTransactions: readonly Blocker[];
  readonly prepared: readonly { readonly gid: string; readonly ageMs: number }[];
  readonly maintenance: readonly Maintenance[];
  /** Runs of `carelink-tokens cleanup`. */
  readonly cleanups: readonly Blocker[];
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
  } else if (!server.mayCreateTemporary) {
    findings.push(
      refuse(
        'no_create_right',
        `The role ${server.role} may not make temporary tables here, on copies of which indexes are compared: ` +
          `GRANT TEMPORARY ON DATABASE ... TO ${server.role}.`,
      ),
    );
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
  const missing = judgeMissing(standings, tables, createTables);
  if (missing.length > 0) return missing;
  const work = standings.filter(({ action }) => action !== 'nothing' && action !== 'leave');
  if (work.length === 0) return [];
  const findings: Finding[] = [];
  if (!server.mayCreateOurs) {
    findings.push({
      severity: 'refuse',
      code: 'no_create_right',
      message:
        `The role ${server.role} may not make the schema carelink, where the ledger is kept. Let its owner run ` +
        `this, or: CREATE SCHEMA carelink AUTHORIZATION ${server.role}.`,
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
  tables: readonly TableFacts[],
  createTables: boolean,
): Finding[] {
  for (const { migration, action } of standings) {
    const missing = migration.tables.filter((name) => !tables.some((table) => table.name === name));
    if (missing.length === 0) continue;
    const some = missing.length < migration.tables.length;
    // All that comes after it is about the tables that it makes.
    if (migration.kind === 'tables' && action === 'run' && createTables && !some) return [];
    const message =
      `The database has no table ${missing.join(', ')}. Run Django's \`manage.py migrate token_blacklist\` on it` +
      (some ? '.' : ', or, where no Django is in charge, `carelink-tokens migrate --create-tables`.');
    return [{ severity: 'refuse', code: 'tables_missing', message }];
  }
  return [];
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

import { isPrivilegeMissing, sqlStateOf } from '../store/errors.js';
import type { UserNames } from '../store/user-source.js';
import { readIndexes, readTables, type TableFacts } from './catalog.js';
import type { IndexFacts } from './coverage.js';
import { MigrateError } from './errors.js';
import type { Migration } from './files.js';
import { readHome, type Home } from './home.js';
import { readLedger, type Ledger } from './ledger.js';
import { describeHolders, sessionsInWords, type Conflict } from './lock-holders.js';
import { notOwner } from './preflight.js';
import { withLockTimeout } from './retry.js';
import type { RunContext } from './run-context.js';
import { askSession, type Session } from './session.js';
import { readTriggers, type TriggerFacts } from './triggers.js';
import { wantedUserFunction } from './user-function.js';
import { wantedUserTriggers } from './user-triggers.js';
import { readWanted } from './wanted.js';
import type { Wanted } from './plain-wanted.js';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const LOCK_NOT_AVAILABLE = '55P03'; // lock_timeout
/** Long enough for an ALTER TABLE of ordinary length; without a bound a plan would hang, and not say why. */
const LOOK_LOCK_TIMEOUT_MS = 2_000;

/** All that a decision about a migration rests on, read in one go. */
export interface Picture {
  /** Those that exist. */
  readonly tables: readonly TableFacts[];
  readonly indexes: readonly IndexFacts[];
  readonly ledger: Ledger;
  /** Undefined: not written down yet. */
  readonly home: Home | undefined;
  /** Tables of this tool's own that exist, as migrations name them. */
  readonly ours: ReadonlySet<string>;
  /** This tool's own. */
  readonly triggers: readonly TriggerFacts[];
  /** What those on users are to be; undefined: nothing is wanted of them. */
  readonly users: Awaited<ReturnType<typeof wantedUserTriggers>>;
  /** Where a table is made whose name says no schema. */
  readonly currentSchema: string;
  /** Functions of this tool's own that exist, as migrations name them. */
  readonly functions: ReadonlySet<string>;
  /** What `revoke_user` is to be made of; undefined: nobody asks. */
  readonly userFunction: Awaited<ReturnType<typeof wantedUserFunction>> | undefined;
  /** By the migration's name; absent where its table doesn't exist yet. */
  readonly wanted: ReadonlyMap<string, Wanted>;
}

/** The tables that migrations are about: simplejwt's two. */
export function subjectsOf(migrations: readonly Migration[]): string[] {
  return [...new Set(migrations.flatMap(({ tables }) => tables))];
}

/**
 * @throws MigrateError UNSAFE where the role may not even read the tables or the ledger, CONTENDED where somebody holds one so that
 * nobody else may
 */
export async function readPicture(
  session: Session,
  migrations: readonly Migration[],
  users?: UserNames,
): Promise<Picture> {
  return look(session, migrations, users).catch(async (error: unknown) => {
    if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw error;
    const who = sessionsInWords(await describeHolders(session, lookConflict(migrations)));
    throw new MigrateError(
      'CONTENDED',
      `The tables can't be looked at: somebody holds one of them so that nobody else may read it` +
        `${who === '' ? '' : `, ${who}`}. Run it again when that transaction has ended.`,
      { cause: error },
    );
  });
}

/**
 * The same in a run that changes something, which is patient with others.
 *
 * @throws like readPicture
 */
export async function readPictureBeside(run: RunContext, migrations: readonly Migration[]): Promise<Picture> {
  const conflict = lookConflict(migrations);
  return withLockTimeout(
    run,
    { name: 'a look at the tables', lockTimeoutMs: LOOK_LOCK_TIMEOUT_MS, conflict },
    () => look(run.session, migrations, run.userTable),
  );
}

/** Looking stalls nobody, however long it waits: what it waits behind (ALTER TABLE, TRUNCATE) lets nobody pass. */
function lookConflict(migrations: readonly Migration[]): Conflict {
  return { tables: subjectsOf(migrations), from: 'AccessExclusiveLock' };
}

async function look(
  session: Session,
  migrations: readonly Migration[],
  users: UserNames | undefined,
): Promise<Picture> {
  try {
    return await session.rehearse(() => lookAround(session, migrations, users));
  } catch (error) {
    if (!isPrivilegeMissing(error)) throw error;
    const { message } = error as Error;
    const [{ role } = { role: '' }] = await session.query<{ role: string }>(
      'SELECT quote_ident(current_user) AS role',
    );
    throw new MigrateError(
      'UNSAFE',
      `${message}. Connect as the role that migrates. To look, and no more, these are enough, run by the owner of the schema: ` +
        `GRANT USAGE ON SCHEMA ${session.own} TO ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA ${session.own} TO ${role};`,
      { cause: error },
    );
  }
}

async function lookAround(
  session: Session,
  migrations: readonly Migration[],
  users: UserNames | undefined,
): Promise<Picture> {
  // Sizes and copies of a table take a lock on it, if the weakest one.
  await session.query(`SET LOCAL lock_timeout = '${LOOK_LOCK_TIMEOUT_MS}ms'`);
  const tables = await readTables(session, subjectsOf(migrations));
  const hidden = tables.find(({ readable }) => !readable);
  if (hidden !== undefined) throw new MigrateError('UNSAFE', notOwner(hidden));
  const triggers = await readTriggers(session);
  return {
    tables,
    indexes: await readIndexes(
      session,
      tables.map(({ oid }) => oid),
    ),
    ledger: await readLedger(session),
    home: await readHome(session),
    ours: await readOurs(session, migrations),
    triggers,
    users:
      users && triggers.length > 0
        ? await wantedUserTriggers(askSession(session), session.own, users)
        : undefined,
    currentSchema: await readCurrentSchema(session),
    functions: await readFunctions(session, migrations),
    userFunction: users && (await wantedUserFunction(askSession(session), users)),
    wanted: await readWanted(session, migrations, tables),
  };
}

/** Where tables are made, and whether the ledger is there. */
export function placesOf(
  { currentSchema, ours }: Picture,
  { own }: Session,
): { readonly own: string; readonly schema: string; readonly ledger: boolean } {
  return { own, schema: currentSchema, ledger: ours.has(`${own}.migrations`) };
}

async function readCurrentSchema(session: Session): Promise<string> {
  const [row] = await session.query<{ name: string | null }>('SELECT current_schema()::text AS name');
  return row?.name ?? 'public';
}

async function readOurs(session: Session, migrations: readonly Migration[]): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL',
    [[`${session.own}.migrations`, ...migrations.flatMap(({ makes }) => makes ?? [])]],
  );
  return new Set(rows.map(({ name }) => name));
}

async function readFunctions(session: Session, migrations: readonly Migration[]): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regprocedure(name) IS NOT NULL',
    [migrations.flatMap(({ functions }) => functions ?? [])],
  );
  return new Set(rows.map(({ name }) => name));
}

import { dropConflict, dropIndex } from './drop-index.js';
import { MigrateError } from './errors.js';
import type { Step } from './events.js';
import type { Migration } from './files.js';
import { forget } from './ledger.js';
import { describeHolders, sessionsInWords } from './lock-holders.js';
import { verifyLock } from './lock.js';
import { readPicture, readPictureBeside, type Picture } from './picture.js';
import { withLockTimeout } from './retry.js';
import type { RunContext } from './run-context.js';
import { ASIDE_PATTERN } from './repair-names.js';
import type { Session } from './session.js';
import { judgeUndoing, type Undoing } from './undo.js';
import { choose } from './up.js';

export interface DownOptions {
  /** Drop tables too, with all that is in them. */
  readonly dropTables: boolean;
  /** Only these; undefined: all. */
  readonly names: readonly string[] | undefined;
}

/** What `down` would do, in its order. */
export interface PlannedUndoing {
  readonly name: string;
  readonly what: string;
  /** `forget`: nothing of it is there. `leave`: it isn't what this tool made. */
  readonly action: 'remove' | 'forget' | 'keep' | 'leave';
  readonly detail?: string;
  readonly sql?: string;
}

/** What `down` would do now. Changes nothing. */
export async function planDown(
  session: Session,
  migrations: readonly Migration[],
  options: DownOptions,
): Promise<PlannedUndoing[]> {
  const picture = await readPicture(session, migrations);
  keepWhatIsCalled(migrations, picture, options);
  return [...choose(migrations, options.names)].reverse().flatMap((migration): PlannedUndoing[] => {
    const entry = picture.ledger.get(migration.name);
    if (entry === undefined) return [];
    const { name, what } = migration;
    const undoing = judgeUndoing(migration, entry, picture, options);
    return 'sql' in undoing
      ? [{ name, what, action: 'remove', sql: undoing.sql }]
      : [{ name, what, action: undoing.kind, detail: undoing.detail }];
  });
}

/**
 * Undoes what the ledger says this tool did, and nothing else, the latest first. Tables hold tokens and revocations:
 * they stay, unless it is said that they must not. To be called under the lock of all runners.
 */
export async function down(
  run: RunContext,
  migrations: readonly Migration[],
  options: DownOptions,
): Promise<Step[]> {
  keepWhatIsCalled(migrations, await readPictureBeside(run, migrations), options);
  const steps: Step[] = [];
  for (const migration of [...choose(migrations, options.names)].reverse()) {
    run.signal?.throwIfAborted();
    await verifyLock(run.session);
    const picture = await readPictureBeside(run, migrations);
    const entry = picture.ledger.get(migration.name);
    if (entry === undefined) continue;
    const startedMs = run.timing.monotonicMs();
    const undoing = judgeUndoing(migration, entry, picture, options);
    const { outcome, detail } = await undo(run, migration, undoing);
    const step: Step = {
      name: migration.name,
      outcome,
      ...(detail === undefined ? {} : { detail }),
      durationMs: Math.round(run.timing.monotonicMs() - startedMs),
    };
    run.emit({ event: 'step_finished', step });
    steps.push(step);
  }
  const isAll = options.names === undefined || options.names.length === 0;
  if (isAll && options.dropTables) await dropOwnSchema(run);
  return steps;
}

/** Tables of ours that functions write to: without them each call fails, in the midst of a transaction of Django's. */
const CALLED_TABLES: readonly string[] = ['carelink_schema', 'audit'];

/** @throws MigrateError UNSAFE where a table would go and a function that needs it would stay */
function keepWhatIsCalled(
  migrations: readonly Migration[],
  { functions }: Pick<Picture, 'functions'>,
  { dropTables, names }: DownOptions,
): void {
  const chosen = choose(migrations, names);
  const table = chosen.find(({ name }) => CALLED_TABLES.includes(name));
  if (!dropTables || table === undefined) return;
  const stays = migrations.find(
    ({ name, functions: made = [] }) =>
      made.some((one) => functions.has(one)) && !chosen.some((one) => one.name === name),
  );
  if (stays === undefined) return;
  throw new MigrateError(
    'UNSAFE',
    `${table.name} stays: the function ${stays.name} writes to it, and each call by Django would fail without. ` +
      `First take the calls out of Django's code, and run \`carelink-tokens migrate down ${stays.name}\`.`,
  );
}

/** The last of it: a ledger of nothing, and the schema, unless somebody has put something of his own in it. */
async function dropOwnSchema({ session, emit }: RunContext): Promise<void> {
  const [ledger] = await session.query<{ there: boolean }>(
    `SELECT to_regclass('${session.own}.migrations') IS NOT NULL AS there`,
  );
  if (ledger?.there !== true) return;
  const [row] = await session.query<{ entries: number }>(
    `SELECT count(*)::int AS entries FROM ${session.own}.migrations`,
  );
  if (row?.entries !== 0) return;
  const others = await session.query<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class
      WHERE relnamespace = '${session.own}'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND relname <> 'migrations' AND NOT (relkind = 'r' AND relname ~ '${ASIDE_PATTERN}')
     UNION ALL
     SELECT proname::text FROM pg_proc WHERE pronamespace = '${session.own}'::regnamespace
     ORDER BY 1`,
  );
  if (others.length > 0) {
    const names = others.map(({ name }) => `${session.own}.${name}`).join(', ');
    const message = `The schema ${session.own} stays, for there is something in it that migrate did not make: ${names}.`;
    emit({ event: 'finding', finding: { severity: 'warn', code: 'schema_stays', message } });
    return;
  }
  // Ledgers that `repair` put aside: entries of what is gone now.
  const aside = await session.query<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class
      WHERE relnamespace = '${session.own}'::regnamespace AND relkind = 'r' AND relname ~ '${ASIDE_PATTERN}'`,
  );
  const ledgers = ['migrations', ...aside.map(({ name }) => name)].map((name) => `${session.own}.${name}`);
  // No CASCADE: what came meanwhile keeps it.
  await session.query(`DROP TABLE ${ledgers.join(', ')}; DROP SCHEMA ${session.own}`);
  const step: Step = { name: `schema ${session.own}`, outcome: 'removed', durationMs: 0 };
  emit({ event: 'step_finished', step });
}

type Undone = Pick<Step, 'outcome' | 'detail'>;

async function undo(run: RunContext, migration: Migration, undoing: Undoing): Promise<Undone> {
  const { name, what } = migration;
  switch (undoing.kind) {
    case 'forget':
      await forget(run.session, name);
      return { outcome: 'removed', detail: undoing.detail };
    case 'keep':
      return { outcome: 'kept', detail: undoing.detail };
    case 'leave':
      return { outcome: 'drifted', detail: undoing.detail };
    case 'drop_index':
      run.emit({ event: 'step_started', name, what, sql: undoing.sql });
      await dropOurIndex(run, name, undoing);
      return { outcome: 'removed' };
    case 'run':
      run.emit({ event: 'step_started', name, what, sql: undoing.sql });
      await undoInTransaction(run, migration, undoing.sql);
      return { outcome: 'removed' };
  }
}

async function dropOurIndex(
  run: RunContext,
  name: string,
  { index, table }: Extract<Undoing, { kind: 'drop_index' }>,
): Promise<void> {
  if (!(await dropIndex(run, index))) {
    const who = sessionsInWords(await describeHolders(run.session, dropConflict(index)));
    throw new MigrateError(
      'CONTENDED',
      `${name} can't be dropped while a transaction holds on to ${table.name}${who === '' ? '' : `: ${who}`}. ` +
        'It may be invalid by now, and then answers nothing. Run it again when that transaction has ended.',
    );
  }
  await forget(run.session, name);
}

async function undoInTransaction(
  run: RunContext,
  { name, kind, tables }: Migration,
  sql: string,
): Promise<void> {
  const conflict = {
    tables,
    from: kind === 'settings' ? 'ShareUpdateExclusiveLock' : 'AccessShareLock',
  } as const;
  await withLockTimeout(run, { name, lockTimeoutMs: run.lockTimeoutMs, conflict }, () =>
    run.session.transaction(async () => {
      await run.session.query(sql);
      await forget(run.session, name);
    }),
  );
}

import { interchangeable } from './coverage.js';
import { dropConflict, dropIndex } from './drop-index.js';
import { MigrateError } from './errors.js';
import type { Step } from './events.js';
import type { Migration } from './files.js';
import { forget, type LedgerEntry } from './ledger.js';
import { describeHolders, sessionsInWords } from './lock-holders.js';
import { verifyLock } from './lock.js';
import { readPictureBeside, type Picture } from './picture.js';
import { parseParameters } from './plan-settings.js';
import { withLockTimeout } from './retry.js';
import type { RunContext } from './run-context.js';
import { choose } from './up.js';

export interface DownOptions {
  /** Drop tables too, with all that is in them. */
  readonly dropTables: boolean;
  /** Only these; undefined: all. */
  readonly names: readonly string[] | undefined;
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
  const steps: Step[] = [];
  for (const migration of [...choose(migrations, options.names)].reverse()) {
    run.signal?.throwIfAborted();
    await verifyLock(run.session);
    const picture = await readPictureBeside(run, migrations);
    const entry = picture.ledger.get(migration.name);
    if (entry === undefined) continue;
    const startedMs = run.timing.monotonicMs();
    const { outcome, detail } = await undo(run, migration, entry, picture, options);
    const step: Step = {
      name: migration.name,
      outcome,
      ...(detail === undefined ? {} : { detail }),
      durationMs: Math.round(run.timing.monotonicMs() - startedMs),
    };
    run.emit({ event: 'step_finished', step });
    steps.push(step);
  }
  return steps;
}

type Undone = Pick<Step, 'outcome' | 'detail'>;

async function undo(
  run: RunContext,
  migration: Migration,
  entry: LedgerEntry,
  picture: Picture,
  options: DownOptions,
): Promise<Undone> {
  if (entry.state === 'covered') {
    await forget(run.session, migration.name);
    return {
      outcome: 'removed',
      detail: `it was covered by ${entry.coveredBy ?? 'another'}: nothing had been built`,
    };
  }
  switch (migration.kind) {
    case 'index':
      return undoIndex(run, migration, entry, picture);
    case 'settings':
      return undoSettings(run, migration, entry, picture);
    case 'triggers':
      run.emit({ event: 'step_started', name: migration.name, what: migration.what, sql: migration.down });
      await undoInTransaction(run, migration, migration.down);
      return { outcome: 'removed' };
    case 'schema':
    case 'tables':
      if (!options.dropTables) return { outcome: 'kept', detail: 'it holds data; --drop-tables drops it' };
      run.emit({ event: 'step_started', name: migration.name, what: migration.what, sql: migration.down });
      await undoInTransaction(run, migration, migration.down);
      return { outcome: 'removed' };
  }
}

async function undoIndex(
  run: RunContext,
  migration: Migration,
  entry: LedgerEntry,
  picture: Picture,
): Promise<Undone> {
  const { name } = migration;
  const own = picture.indexes.find((index) => index.name === name);
  const table = picture.tables.find((one) => one.name === migration.tables[0]);
  if (own === undefined || table === undefined) {
    await forget(run.session, name);
    return { outcome: 'removed', detail: 'it was gone already' };
  }
  const wanted = picture.wanted.get(name);
  // What an interrupted build left has no definition in the ledger, and is invalid or has just become valid.
  const isOurs =
    entry.state === 'applied'
      ? entry.definition === own.definition
      : !own.valid || (wanted?.kind === 'index' && interchangeable(wanted.index, own));
  if (!isOurs) {
    return { outcome: 'drifted', detail: `it isn't what this tool built, and stays: "${own.definition}"` };
  }
  const sql = `DROP INDEX CONCURRENTLY ${own.qualifiedName}`;
  run.emit({ event: 'step_started', name, what: migration.what, sql });
  if (!(await dropIndex(run, own))) {
    const who = sessionsInWords(await describeHolders(run.session, dropConflict(own)));
    throw new MigrateError(
      'CONTENDED',
      `${name} can't be dropped while a transaction holds on to ${table.name}${who === '' ? '' : `: ${who}`}. ` +
        'It may be invalid by now, and then answers nothing. Run it again when that transaction has ended.',
    );
  }
  await forget(run.session, name);
  return { outcome: 'removed' };
}

async function undoSettings(
  run: RunContext,
  migration: Migration,
  entry: LedgerEntry,
  picture: Picture,
): Promise<Undone> {
  const table = picture.tables.find((one) => one.name === migration.tables[0]);
  const ours = [...parseParameters(entry.definition ?? '')]
    .filter(([name, value]) => table?.parameters.get(name) === value)
    .map(([name]) => name);
  if (table === undefined || ours.length === 0) {
    await forget(run.session, migration.name);
    return { outcome: 'removed', detail: 'all of it was changed by somebody since' };
  }
  const sql = `ALTER TABLE ${table.qualifiedName} RESET (${ours.join(', ')})`;
  run.emit({ event: 'step_started', name: migration.name, what: migration.what, sql });
  await undoInTransaction(run, migration, sql);
  return { outcome: 'removed' };
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

import { buildIndex } from './build-index.js';
import type { TableFacts } from './catalog.js';
import type { Step } from './events.js';
import { record } from './ledger.js';
import type { Picture } from './picture.js';
import { blacklistOf } from './plan-triggers.js';
import { formatParameters } from './plan-settings.js';
import type { Standing } from './standing.js';
import { withLockTimeout } from './retry.js';
import type { RunContext } from './run-context.js';
import { installTriggers } from './triggers.js';
import { installUserFunction } from './user-function.js';

/**
 * Storage parameters take a lock that stalls neither reads nor writes, only maintenance: so that one may wait longer
 * than --lock-timeout says. Past 1 s an autovacuum that holds it steps back.
 */
const SETTINGS_LOCK_TIMEOUT_MS = 2_000;

/** Does for a migration what is to be done about it, and notes it in the ledger. */
export async function perform(run: RunContext, standing: Standing, picture: Picture): Promise<Step> {
  const { migration, action, coveredBy, detail } = standing;
  const { name, checksum } = migration;
  const startedMs = run.timing.monotonicMs();
  const step = (outcome: Step['outcome']): Step => ({
    name,
    outcome,
    ...(outcome === 'covered' && coveredBy !== undefined ? { coveredBy } : {}),
    // What is said of it otherwise is how it stood before.
    ...(outcome === 'drifted' && detail !== undefined ? { detail } : {}),
    durationMs: Math.round(run.timing.monotonicMs() - startedMs),
  });
  switch (action) {
    case 'nothing':
      return step(standing.state === 'covered' ? 'covered' : 'present');
    case 'leave':
      return step('drifted');
    case 'cover':
      await record(run.session, { name, checksum, state: 'covered', ...(coveredBy ? { coveredBy } : {}) });
      return step('covered');
    case 'adopt':
      await record(run.session, { name, checksum, state: 'applied', ...definitionOf(standing.own) });
      return step('applied');
    case 'build': {
      const table = tableOf(standing, picture);
      run.emit({ event: 'step_started', name, what: migration.what, sql: migration.sql });
      // Before the build, so that after a kill the index is known to be this tool's.
      await record(run.session, { name, checksum, state: 'building' });
      const index = await buildIndex(run, migration, table);
      const { durationMs } = step('applied');
      await record(run.session, { name, checksum, state: 'applied', ...definitionOf(index), durationMs });
      return step('applied');
    }
    case 'run':
      await runInTransaction(run, standing, picture, startedMs);
      return step('applied');
  }
}

async function runInTransaction(
  run: RunContext,
  standing: Standing,
  picture: Picture,
  startedMs: number,
): Promise<void> {
  const { migration, parameters } = standing;
  const { name, checksum } = migration;
  const definition = parameters === undefined ? undefined : formatParameters(parameters);
  const sql =
    definition === undefined
      ? migration.sql
      : `ALTER TABLE ${tableOf(standing, picture).qualifiedName} SET (${definition})`;
  const lockTimeoutMs =
    migration.kind === 'settings' ? Math.max(SETTINGS_LOCK_TIMEOUT_MS, run.lockTimeoutMs) : run.lockTimeoutMs;
  run.emit({ event: 'step_started', name, what: migration.what, sql });
  const conflict = {
    tables: migration.tables,
    from: migration.kind === 'settings' ? 'ShareUpdateExclusiveLock' : 'RowExclusiveLock',
  } as const;
  await withLockTimeout(run, { name, lockTimeoutMs, conflict }, () =>
    run.session.transaction(async () => {
      const installed = await install(run, migration, sql, picture);
      const durationMs = run.timing.monotonicMs() - startedMs;
      const made = definitionOf({ definition: definition ?? installed });
      await record(run.session, { name, checksum, state: 'applied', ...made, durationMs });
    }),
  );
}

/** Runs the migration's SQL; what comes of it, for the ledger, where that depends on the site. */
async function install(
  run: RunContext,
  { kind, name }: Standing['migration'],
  sql: string,
  picture: Picture,
): Promise<string | undefined> {
  switch (kind) {
    case 'triggers':
      return installTriggers(
        run.session,
        { name, sql },
        { users: run.userTable, blacklisted: blacklistOf(picture) },
        (finding) => run.emit({ event: 'finding', finding }),
      );
    case 'functions':
      return installUserFunction(run.session, sql, run.userTable);
    default:
      await run.session.query(sql);
      return undefined;
  }
}

function definitionOf(made: { readonly definition: string | undefined } | undefined): {
  definition?: string;
} {
  return made?.definition === undefined ? {} : { definition: made.definition };
}

function tableOf({ migration }: Standing, { tables }: Picture): TableFacts {
  const table = tables.find(({ name }) => name === migration.tables[0]);
  if (table === undefined) throw new Error(`${migration.name}: its table does not exist`);
  return table;
}

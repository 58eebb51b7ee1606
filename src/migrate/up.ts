import { MigrateError } from './errors.js';
import type { Step } from './events.js';
import type { Migration } from './files.js';
import { settleAfter } from './shared-revocations.js';
import { createLedger } from './ledger.js';
import { verifyLock } from './lock.js';
import { perform } from './perform.js';
import { placesOf, readPictureBeside, subjectsOf, type Picture } from './picture.js';
import { judge, judgeAll, type PlanOptions } from './plan.js';
import { judgeInvalid, judgeWork, type Finding, type ServerFacts } from './preflight.js';
import { judgePublications, readFollowers } from './publications.js';
import type { RunContext } from './run-context.js';
import { readSurroundings } from './surroundings.js';

export interface UpOptions extends PlanOptions {
  /** Make simplejwt's tables, where no Django does. */
  readonly createTables: boolean;
  /** Only these; undefined: all. */
  readonly names: readonly string[] | undefined;
  /** --subscribers-ready. */
  readonly subscribersReady: boolean;
  /** Tell of what Django does by itself, too. */
  readonly notify: boolean;
}

/** Does what is to be done, in order. To be called under the lock of all runners. */
export async function up(
  run: RunContext,
  migrations: readonly Migration[],
  server: ServerFacts,
  options: UpOptions,
): Promise<Step[]> {
  let picture: Picture | undefined = await readPictureBeside(run, migrations);
  const chosen = choose(asked(migrations, picture, options), options.names);
  const standings = judgeAll(chosen, picture, options);
  const around = await readSurroundings(run.session, subjectsOf(migrations));
  heed(run, [
    ...judgeWork(standings, server, picture.tables, around, options.createTables),
    ...judgePublications(standings, await readFollowers(run.session), {
      ...placesOf(picture, run.session),
      subscribersReady: options.subscribersReady,
    }),
    ...judgeInvalid(migrations, picture.indexes, around),
  ]);

  if (standings.some(({ action }) => action !== 'nothing' && action !== 'leave'))
    await createLedger(run.session);
  const steps: Step[] = [];
  for (const migration of chosen) {
    run.signal?.throwIfAborted();
    await verifyLock(run.session);
    picture ??= await readPictureBeside(run, migrations);
    const standing = judge(migration, picture, options);
    const step = await perform(run, standing, picture);
    await settleAfter(run, migration);
    // What was done may decide what is to be done next.
    if (standing.action !== 'nothing' && standing.action !== 'leave') picture = undefined;
    run.emit({ event: 'step_finished', step });
    steps.push(step);
  }
  return steps;
}

/** Without what is optional, unless it is asked for, by itself or by its name, or was before. */
export function asked(
  migrations: readonly Migration[],
  { ledger }: Pick<Picture, 'ledger'>,
  { notify, names }: Pick<UpOptions, 'notify' | 'names'>,
): readonly Migration[] {
  return migrations.filter(
    ({ optional, name }) => !optional || notify || ledger.has(name) || names?.includes(name) === true,
  );
}

/** @throws MigrateError UNKNOWN_MIGRATION */
export function choose(
  migrations: readonly Migration[],
  names: readonly string[] | undefined,
): readonly Migration[] {
  if (names === undefined || names.length === 0) return migrations;
  const unknown = names.find((name) => !migrations.some((migration) => migration.name === name));
  if (unknown !== undefined) {
    const known = migrations.map(({ name }) => name).join(', ');
    throw new MigrateError('UNKNOWN_MIGRATION', `There is no migration ${unknown}. There are: ${known}.`);
  }
  return migrations.filter(({ name }) => names.includes(name));
}

function heed(run: RunContext, findings: readonly Finding[]): void {
  for (const finding of findings) run.emit({ event: 'finding', finding });
  const refusals = findings.filter(({ severity }) => severity === 'refuse');
  const missing = refusals.find(({ code }) => code === 'tables_missing');
  if (missing !== undefined) throw new MigrateError('TABLES_MISSING', missing.message);
  if (refusals.length > 0) {
    throw new MigrateError('UNSAFE', refusals.map(({ message }) => message).join('\n'));
  }
}

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readMigrationOverview } from '../../src/migrate/index.js';
import { createSimplejwtTables, type FreshDatabase, freshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import {
  atPhase,
  expectFinishedByAnotherRun,
  fill,
  kill9,
  Others,
  startRunner,
  untilSessionsEnd,
} from './migrate-kill-suite.js';

/** The session of a killed runner looks after its client once a second; the rest is for a busy machine. */
const ORPHAN_ENDS_MS = 8_000;

describe.skipIf(services().postgres === undefined)('migrate, killed with -9 while a build waits', () => {
  let database: FreshDatabase;
  let others: Others;
  beforeEach(async () => {
    database = await freshDatabase();
    await createSimplejwtTables(database.url);
    await fill(database.url, 1_000);
    others = new Others(database.url);
  });
  afterEach(async () => {
    await others.end();
    await database.drop();
  });

  const BEFORE_BUILD = 'waiting for writers before build';
  const holdAt: Readonly<Record<string, () => Promise<ReturnType<typeof startRunner>>>> = {
    [BEFORE_BUILD]: async () => {
      await others.writer();
      return startRunner(database.url);
    },
    'waiting for writers before validation': async () => {
      const first = await others.writer();
      const runner = startRunner(database.url);
      expect(await atPhase(database.url, BEFORE_BUILD, runner)).toBe(true);
      // Whoever comes while it waits for the first is waited for in the next phase.
      await others.writer();
      await first.query('COMMIT');
      return runner;
    },
    'waiting for old snapshots': async () => {
      await others.snapshot();
      return startRunner(database.url);
    },
  };

  it.each(Object.keys(holdAt))('%s: its session ends, and another run finishes', async (phase) => {
    const runner = await holdAt[phase]!();
    expect(await atPhase(database.url, phase, runner)).toBe(true);
    await kill9(runner);
    expect(await untilSessionsEnd(database.url)).toBeLessThan(ORPHAN_ENDS_MS);
    const { migrations } = await readMigrationOverview(database.url);
    expect(migrations.map(({ state }) => state)).toContain('invalid');
    await others.end();
    await expectFinishedByAnotherRun(database.url);
  });

  it('is followed by another run at once, which waits for the killed one', async () => {
    await others.snapshot();
    const runner = startRunner(database.url);
    expect(await atPhase(database.url, 'waiting for old snapshots', runner)).toBe(true);
    await kill9(runner);
    await others.end();
    await expectFinishedByAnotherRun(database.url);
  });
});

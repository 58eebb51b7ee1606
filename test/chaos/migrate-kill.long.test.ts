import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { removeMigrations } from '../../src/migrate/index.js';
import {
  type Cluster,
  createSimplejwtTables,
  type FreshDatabase,
  freshDatabase,
  startCluster,
} from '../support/postgres.js';
import { services } from '../support/services.js';
import {
  atPhase,
  expectFinishedByAnotherRun,
  fill,
  kill9,
  startRunner,
  untilSessionsEnd,
} from './migrate-kill-suite.js';

/** Enough that no phase of a build is over before it is seen. */
const ROWS = 1_000_000;

/** Those in which a build works; those in which it waits are in migrate-kill.test.ts. */
const WORKING_PHASES = [
  'building index: scanning table',
  'building index: sorting live tuples',
  'building index: loading tuples in tree',
  'index validation: scanning index',
  'index validation: sorting tuples',
  'index validation: scanning table',
];

describe.skipIf(services().postgres === undefined)('migrate, killed with -9 while it works', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    await createSimplejwtTables(database.url);
    await fill(database.url, ROWS);
  });
  afterEach(() => removeMigrations(database.url, {}));
  afterAll(() => database.drop());

  it.each(WORKING_PHASES)('%s', async (phase) => {
    const runner = startRunner(database.url);
    const seen = await atPhase(database.url, phase, runner);
    await kill9(runner);
    await untilSessionsEnd(database.url);
    await expectFinishedByAnotherRun(database.url);
    expect(seen, 'the phase was seen').toBe(true);
  });

  it('at 20 moments taken at random', async () => {
    for (let round = 0; round < 20; round++) {
      const runner = startRunner(database.url, round % 4 === 3 ? ['down'] : []);
      await sleep(Math.random() * 3_000);
      await kill9(runner);
      if (round % 2 === 0) await untilSessionsEnd(database.url);
    }
    await expectFinishedByAnotherRun(database.url);
  });
});

describe.skipIf(services().postgresBin === undefined)('migrate, the server killed with -9 beside it', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster();
    await createSimplejwtTables(cluster.url);
    await fill(cluster.url, ROWS);
  });
  afterEach(() => removeMigrations(cluster.url, {}));
  afterAll(() => cluster.stop());

  it.each(WORKING_PHASES)('%s: the run ends, and another one finishes', async (phase) => {
    const runner = startRunner(cluster.url);
    const exited = once(runner, 'exit');
    await atPhase(cluster.url, phase, runner);
    await cluster.kill9();
    // "A service could not be reached", or the build was just over.
    expect([0, 4]).toContain((await exited)[0]);
    await cluster.start();
    await expectFinishedByAnotherRun(cluster.url);
  });
});

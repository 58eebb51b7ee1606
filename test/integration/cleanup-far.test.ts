import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { cleanUp, openCleanupSession, surveyCleanup } from '../../src/cleanup/index.js';
import { startDelayProxy } from '../support/delay-proxy.js';
import { services } from '../support/services.js';
import { census, cleanupWorld, fill, PLAIN, type CleanupWorld } from './cleanup-support/world.js';

/** Five round trips of a batch are twice its target time. */
const TRIP_MS = 10;

const STEERED = { ...PLAIN, nice: 4 };

describe.skipIf(services().postgres === undefined)('a database that is far away', () => {
  const given = cleanupWorld();
  let world: CleanupWorld;
  beforeEach(() => void (world = given()));

  const farSession = async () => {
    const url = new URL(world.url);
    const proxy = await startDelayProxy(Number(url.port), TRIP_MS);
    url.port = String(proxy.port);
    const session = await openCleanupSession(url.href);
    onTestFinished(async () => {
      await session.close();
      proxy.stop();
    });
    return session;
  };

  it('has its batches steered by what rows cost, and not by the way to it', async () => {
    await fill(world.sql, { expired: 6_000, live: 100 });
    const { batches, deleted } = await cleanUp(await farSession(), STEERED);
    expect(deleted).toBe(6_000);
    // By the whole time they would shrink to a row each.
    expect(batches).toBeLessThan(200);
    expect(await census(world.sql)).toMatchObject({ expired: 0, live: 100, orphans: 0 });
  });

  it('tells in a dry run a range of times, and changes nothing', async () => {
    await fill(world.sql, { expired: 6_000, live: 100 });
    const session = await farSession();
    const told = await surveyCleanup(session, STEERED);
    const [least, most] = told.estimatedRangeMs!;
    expect(least).toBeGreaterThan(0);
    expect(told.estimatedMs).toBeGreaterThanOrEqual(least);
    expect(told.estimatedMs).toBeLessThanOrEqual(most);
    expect((await census(world.sql)).expired).toBe(6_000);
  });
});

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { plantFamily } from '../support/families.js';
import { createUsers } from '../support/postgres.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

const KEY = randomBytes(32);
const CONNECTIONS = 20;
const GENERATIONS = 16_000;

/** To close its own row, 9 looks, to close the tip, and one for what was leapt over. */
const STATEMENTS = 12;

describe.skipIf(services().postgres === undefined)('twenty connections with families of 16,000', () => {
  const world = rotationWorld();

  it.each(['logout', 'refresh'] as const)(
    '%s: each family is walked once and closed, refreshes go on, and nothing runs on',
    async (how) => {
      const instance = await world.start({ chainKeys: [KEY], onReuse: 'revoke-family' });
      const { service, statements } = instance;
      const families = [];
      for (const userId of await createUsers(world.url, CONNECTIONS))
        families.push(await plantFamily(world.url, { userId, generations: GENERATIONS, keyOf: () => KEY }));
      await world.sql('ANALYZE');
      const stop = new AbortController();
      const client = (async () => {
        let { token } = await world.login();
        while (!stop.signal.aborted) {
          token = rotated(await service.refresh(token)).refresh;
          await sleep(5);
        }
      })();
      let presented = 0;
      await Promise.all(
        families.map(async ({ first }) => {
          for (;;) {
            presented++;
            if ((await service[how](first.token)).kind !== 'unavailable') return;
            await sleep(1_000);
          }
        }),
      );
      const after = statements.get('revoke') ?? 0;
      expect(after).toBeLessThanOrEqual(STATEMENTS * CONNECTIONS + 3 * presented);
      await sleep(1_000);
      expect(statements.get('revoke') ?? 0).toBe(after);
      stop.abort();
      await client;
      for (const { tip } of families) expect((await service.refresh(tip.token)).kind).toBe('blacklisted');
      expect(instance.events).not.toContainEqual(expect.objectContaining({ end: 'escalated' }));
    },
  );
});

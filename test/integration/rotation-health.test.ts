import { describe, expect, it } from 'vitest';
import { ObservedDatabaseClock } from '../../src/store/database-clock.js';
import { DatabaseHealth } from '../../src/store/database-health.js';
import { checkHealth } from '../../src/store/health.js';
import { readSchema } from '../../src/store/schema.js';
import { OWN_USERS, testDatabase } from '../support/database.js';
import { openClient } from '../support/postgres.js';
import { rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

/** Asks as a server does, in the role of a URL. */
async function probe(connection: string) {
  const database = testDatabase(connection, { size: 1 });
  const schema = await readSchema(database, OWN_USERS);
  const monotonicMs = () => performance.now();
  const clock = new ObservedDatabaseClock(monotonicMs, Date.now());
  return {
    health: () => checkHealth(database, schema, clock, monotonicMs),
    end: () => database.end(),
  };
}

describe.skipIf(services().postgres === undefined)('a role with few grants', () => {
  const world = rotationWorld();

  it('is not healthy while it may not read the user table that every claim reads, or write what a claim writes', async () => {
    const role = `carelink_poor_${Math.random().toString(36).slice(2)}`;
    await world.sql(`CREATE ROLE ${role} LOGIN;
      GRANT USAGE ON SCHEMA carelink TO ${role};
      GRANT SELECT ON carelink.revoked_before, carelink.dead_letters TO ${role};
      GRANT SELECT, INSERT ON token_blacklist_outstandingtoken, token_blacklist_blacklistedtoken TO ${role}`);
    const url = new URL(world.url);
    url.username = role;
    const { health, end } = await probe(url.href);
    try {
      expect(await health()).toBe('grants missing');
      await world.sql(`GRANT SELECT ON auth_user TO ${role}`);
      expect(await health()).toBe('grants missing');
      await world.sql(`GRANT INSERT, UPDATE ON carelink.revoked_before TO ${role}`);
      expect(await health()).toBe('grants missing');
      await world.sql(`GRANT SELECT, INSERT, UPDATE ON carelink.audit TO ${role}`);
      expect(await health()).toBe('ok');
      await world.sql(`REVOKE INSERT ON token_blacklist_blacklistedtoken FROM ${role}`);
      expect(await health()).toBe('grants missing');
    } finally {
      await end();
      await world.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});

describe.skipIf(services().postgres === undefined)('a table that somebody has locked as a whole', () => {
  const world = rotationWorld();

  it.each(['token_blacklist_outstandingtoken', 'token_blacklist_blacklistedtoken', 'auth_user'])(
    'is told apart from a database that does not answer: %s',
    async (table) => {
      const { health, end } = await probe(world.url);
      const holder = await openClient(world.url);
      try {
        await holder.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
        expect(await health()).toBe('tables locked');
        await holder.query('COMMIT');
        expect(await health()).toBe('ok');
      } finally {
        await holder.end();
        await end();
      }
    },
  );
});

describe.skipIf(services().postgres === undefined)('a crowd in which each wants a reading of its own', () => {
  const world = rotationWorld();
  const CROWD = 20;
  const FOR_MS = 600;

  it('shares readings with a pause between them, and none of them began before it was asked for', async () => {
    const begun: number[] = [];
    const pausesMs: number[] = [];
    let endedMs = -Infinity;
    const monotonicMs = () => performance.now();
    const database = testDatabase(world.url, { size: 2 });
    try {
      const schema = await readSchema(database, OWN_USERS);
      const clock = new ObservedDatabaseClock(monotonicMs, Date.now());
      const health = new DatabaseHealth({
        database: {
          query(purpose, statement) {
            if (statement.name === 'health') {
              begun.push(monotonicMs());
              pausesMs.push(monotonicMs() - endedMs);
            }
            return database.query<never>(purpose, statement).finally(() => (endedMs = monotonicMs()));
          },
        },
        schema,
        clock,
        monotonicMs,
        needs: ['serve'],
        timeline: undefined,
        onState: () => undefined,
      });
      const fromMs = monotonicMs();
      let asked = 0;
      await Promise.all(
        Array.from({ length: CROWD }, async () => {
          while (monotonicMs() - fromMs < FOR_MS) {
            const askedMs = monotonicMs();
            expect((await health.readAnew()).state).toBe('ok');
            expect(begun.at(-1)).toBeGreaterThanOrEqual(askedMs);
            asked++;
          }
        }),
      );
      // 5 ms at least; a timer is early where the loop's turn was long.
      expect(pausesMs.filter((ms) => ms >= 4).length).toBeGreaterThan(pausesMs.length / 2);
      expect(asked).toBeGreaterThan(5 * begun.length);
    } finally {
      await database.end();
    }
  });
});

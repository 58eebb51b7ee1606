import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startRedis, type RedisServer } from '../support/redis.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import type { Instance, InstanceOptions } from '../support/rotation.js';
import { services } from '../support/services.js';

/** An instance believes what was made a second after its start. */
const TRUST_MS = 1_100;

/** Only a bound against hanging. */
const PATIENCE_MS = 30_000;

/** For tests that run at the same time. */
async function becomes<T>(look: () => T | Promise<T>, wanted: NoInfer<Awaited<T>>): Promise<void> {
  const giveUpMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const is = await look();
    if (isDeepStrictEqual(is, wanted)) return;
    if (performance.now() > giveUpMs)
      throw new Error(`it is ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`);
    await sleep(20);
  }
}

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

describe.skipIf(services().postgres === undefined || services().redis === undefined)(
  'answered rotations whose rows the database refuses',
  () => {
    const world = rotationWorld();
    let redis: RedisServer;
    let one: Instance;
    let two: Instance;
    /** Shares no Redis with the others: it has the database alone. */
    let apart: Instance;
    let graceful: Instance;
    beforeAll(async () => {
      redis = await startRedis();
      one = await start();
      two = await start();
      graceful = await start({ graceUs: 60_000_000 });
      apart = await world.start();
      await world.sql(`
        CREATE TABLE refused (user_id int);
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (SELECT FROM refused r JOIN ${OUTSTANDING} o ON o.user_id = r.user_id WHERE o.id = NEW.token_id) THEN
            RAISE EXCEPTION 'not this one';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON ${BLACKLISTED} FOR EACH ROW EXECUTE FUNCTION refuse()`);
      await sleep(TRUST_MS);
    });
    afterAll(() => redis.stop());

    const start = (options: InstanceOptions = {}) =>
      world.start({ ...options, shared: { port: redis.port, ...options.shared } });

    /** A session whose token Redis knows to be active: made by a rotation here. */
    async function session(at: Instance = one) {
      const login = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 60 });
      return { login, userId: login.userId, ...rotated(await at.service.refresh(login.token)) };
    }
    const refuse = (userId: unknown) => world.sql('INSERT INTO refused VALUES ($1)', [userId]);
    const mend = (userId: unknown) => world.sql('DELETE FROM refused WHERE user_id = $1', [userId]);
    const letters = () =>
      world.sql<{ code: string; entry: string }>('SELECT code, entry FROM carelink.dead_letters');
    const isKept = (jti: string) =>
      becomes(async () => (await letters()).some(({ entry }) => entry.includes(jti)), true);
    const isDone = (jti: string) =>
      becomes(async () => (await letters()).some(({ entry }) => entry.includes(jti)), false);
    const isBlacklisted = async (jti: string) =>
      (
        await world.sql(
          `SELECT FROM ${OUTSTANDING} o JOIN ${BLACKLISTED} b ON b.token_id = o.id WHERE o.jti = $1`,
          [jti],
        )
      ).length > 0;
    const rowsOf = (jti: string) =>
      world.sql<{ made: string; spent: string | null }>(
        `SELECT (extract(epoch FROM o.created_at) * 1000000)::bigint AS made,
                (extract(epoch FROM b.blacklisted_at) * 1000000)::bigint AS spent
           FROM ${OUTSTANDING} o LEFT JOIN ${BLACKLISTED} b ON b.token_id = o.id WHERE o.jti = $1`,
        [jti],
      );
    const writtenBy = (instance: Instance) => instance.written.length;

    it('one that is refused for a moment is written after it, and others are not held up', async () => {
      const { refresh, jti, userId } = await session();
      const other = await session();
      await refuse(userId);
      const next = rotated(await one.service.refresh(refresh));
      rotated(await one.service.refresh(other.refresh));
      await becomes(() => isBlacklisted(other.jti), true);
      await sleep(200);
      // Claimed, and not written: it is spent for everybody who shares the Redis.
      expect(await isBlacklisted(jti)).toBe(false);
      await mend(userId);
      await becomes(() => isBlacklisted(jti), true);
      expect((await rowsOf(next.jti))[0]?.made).toBe(String(next.claimedAtUs));
      expect(one.written).not.toContain('dead_letter');
      await isDone(jti);
    });

    it.concurrent(
      'one that goes on being refused is kept; its token is refused everywhere, whatever is lost, until it is written',
      async () => {
        const { refresh, jti, userId } = await session();
        await refuse(userId);
        const next = rotated(await one.service.refresh(refresh));
        await isKept(jti);
        await becomes(() => one.status()?.depth, 0);
        // Redis loses all it knew: only the letter says that the token is spent.
        await redis.cli('FLUSHALL');
        const restarted = await start();
        const restartedApart = await world.start();
        await sleep(TRUST_MS);
        for (const instance of [one, two, apart, restarted, restartedApart]) {
          expect((await instance.service.refresh(refresh)).kind).toBe('blacklisted');
          expect((await instance.service.verify(refresh)).kind).toBe('blacklisted');
        }
        // What came of it is refreshed as ever, and is no second branch.
        await mend(userId);
        const after = rotated(await two.service.refresh(next.refresh));
        await isDone(jti);
        expect(await rowsOf(jti)).toMatchObject([{ spent: String(next.claimedAtUs) }]);
        await becomes(async () => (await rowsOf(next.jti))[0]?.made, String(next.claimedAtUs));
        expect((await rowsOf(next.jti))[0]?.spent).toBe(String(after.claimedAtUs));
        expect((await apart.service.refresh(refresh)).kind).toBe('blacklisted');
        rotated(await two.service.refresh(after.refresh));
      },
    );

    it.concurrent(
      'inside the grace its client is told to repeat, and gets the same pair when it is written',
      async () => {
        const { refresh, jti, userId } = await session(graceful);
        await refuse(userId);
        const next = rotated(await graceful.service.refresh(refresh));
        await isKept(jti);
        await becomes(() => graceful.status()?.depth, 0);
        expect((await graceful.service.refresh(refresh)).kind).toBe('unavailable');
        await mend(userId);
        await isDone(jti);
        await becomes(async () => (await graceful.service.refresh(refresh)).kind, 'rotated');
        expect(rotated(await graceful.service.refresh(refresh))).toEqual({ ...next, replayed: true });
      },
    );

    it.concurrent('a log-out of it is not done until it reaches what came of it', async () => {
      const { refresh, jti, userId } = await session();
      await refuse(userId);
      const next = rotated(await one.service.refresh(refresh));
      await isKept(jti);
      await becomes(() => one.status()?.depth, 0);
      expect((await one.service.logout(refresh)).kind).toBe('unavailable');
      await mend(userId);
      await becomes(async () => (await one.service.logout(refresh)).kind, 'logged_out');
      for (const instance of [one, two, apart])
        expect((await instance.service.refresh(next.refresh)).kind).toBe('blacklisted');
      await isDone(jti);
    });

    it.concurrent(
      'where Django has logged it out meanwhile, what came of it dies when the letter is written',
      async () => {
        const { refresh, jti, userId } = await session();
        await refuse(userId);
        const next = rotated(await one.service.refresh(refresh));
        await isKept(jti);
        await mend(userId);
        await world.sql(
          `INSERT INTO ${BLACKLISTED} (blacklisted_at, token_id) SELECT now(), id FROM ${OUTSTANDING} WHERE jti = $1
         ON CONFLICT DO NOTHING`,
          [jti],
        );
        await isDone(jti);
        if ((await rowsOf(jti))[0]?.spent === String(next.claimedAtUs)) return;
        for (const instance of [one, two, apart])
          expect((await instance.service.refresh(next.refresh)).kind).toBe('blacklisted');
      },
    );

    it('a role that may not delete in our schema marks what is done with, and leaves no token in it', async () => {
      const { refresh, jti, userId } = await session();
      await refuse(userId);
      await world.sql(`
        CREATE FUNCTION no_delete() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE insufficient_privilege; END $$;
        CREATE TRIGGER no_delete BEFORE DELETE ON carelink.dead_letters EXECUTE FUNCTION no_delete()`);
      onTestFinished(async () => {
        await world.sql('DROP FUNCTION no_delete CASCADE; DELETE FROM carelink.dead_letters');
      });
      rotated(await one.service.refresh(refresh));
      await isKept(jti);
      await mend(userId);
      await isDone(jti);
      for (const { code, entry } of await letters())
        expect(`${code}: ${entry}`).toMatch(/^written: written \d+$/);
      await becomes(() => isBlacklisted(jti), true);
      // And it is known to be done with.
      await becomes(async () => (await one.service.refresh(refresh)).kind, 'blacklisted');
    });

    it.each([OUTSTANDING, BLACKLISTED])(
      'a sequence that is behind %s keeps nobody out for good: each is tried alone until it has an id',
      async (table) => {
        const sessions = [];
        for (let n = 0; n < 4; n++) sessions.push(await session());
        await becomes(() => one.status()?.depth, 0);
        const before = writtenBy(one);
        await world.sql(
          `SELECT setval(pg_get_serial_sequence($1, 'id'), (SELECT max(id) FROM ${table}) - 12)`,
          [table],
        );
        const nexts = await Promise.all(
          sessions.map(async ({ refresh }) => rotated(await one.service.refresh(refresh))),
        );
        for (const { jti } of sessions) await becomes(() => isBlacklisted(jti), true);
        expect(one.written.slice(before)).not.toContain('double');
        for (const { jti, claimedAtUs } of nexts)
          expect((await rowsOf(jti))[0]?.made).toBe(String(claimedAtUs));
        await world.sql(`SELECT setval(pg_get_serial_sequence($1, 'id'), (SELECT max(id) FROM ${table}))`, [
          table,
        ]);
      },
    );

    it('without Redis such a refresh or log-out is answered 503, and the token is good when it is mended', async () => {
      const login = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 60 });
      await refuse(login.userId);
      expect((await apart.service.refresh(login.token)).kind).toBe('unavailable');
      expect((await apart.service.logout(login.token)).kind).toBe('unavailable');
      await mend(login.userId);
      const { refresh } = rotated(await apart.service.refresh(login.token));
      // A sequence far behind needs an operator; nothing was spent until then.
      const taken = await Promise.all(Array.from({ length: 8 }, () => world.login()));
      await world.sql(
        `INSERT INTO ${BLACKLISTED} (blacklisted_at, token_id) SELECT now(), id FROM ${OUTSTANDING} WHERE jti = ANY($1)`,
        [taken.map(({ jti }) => jti)],
      );
      await world.sql(
        `SELECT setval(pg_get_serial_sequence('${BLACKLISTED}', 'id'), (SELECT max(id) FROM ${BLACKLISTED}) - 8)`,
      );
      const set = () =>
        world.sql(
          `SELECT setval(pg_get_serial_sequence('${BLACKLISTED}', 'id'), (SELECT max(id) FROM ${BLACKLISTED}))`,
        );
      onTestFinished(async () => {
        await set();
      });
      expect((await apart.service.refresh(refresh)).kind).toBe('unavailable');
      await set();
      rotated(await apart.service.refresh(refresh));
    });
  },
);

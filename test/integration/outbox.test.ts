import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { partitionOf, RedisKeys } from '../../src/cache/partition.js';
import type { ChangeListener } from '../../src/rotation/change-feed.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { openClient } from '../support/postgres.js';
import { refreshUntilAnswered, rotated, rotationWorld } from '../support/rotation-world.js';
import type { Instance, InstanceOptions } from '../support/rotation.js';
import { services } from '../support/services.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import type { MintedToken } from '../support/tokens.js';

const KEYS = new RedisKeys('carelink_tokens');

/** An instance believes what was made a second after its start. */
const TRUST_MS = 1_100;

/** Only a bound against hanging. */
const PATIENCE_MS = 20_000;

describe.skipIf(services().postgres === undefined || services().redis === undefined)(
  'asynchronous blacklisting',
  () => {
    const world = rotationWorld();
    let redis: RedisServer;
    let one: Instance;
    let two: Instance;
    let graceful: Instance;
    /** Each for one test, which it doesn't outlive. */
    let dying: [Instance, Instance, Instance];
    let small: Instance;
    let hasty: Instance;
    beforeAll(async () => {
      redis = await startRedis();
      one = await start();
      two = await start();
      graceful = await start({ graceUs: 30_000_000 });
      small = await start({ shared: { port: redis.port, maxOwed: 3 } });
      hasty = await start({ shared: { port: redis.port, redisTimeoutMs: 100 } });
      dying = [await start(), await start(), await start()];
      // Once for all: each has to wait until it believes anything.
      await sleep(TRUST_MS);
    });
    afterAll(() => redis.stop());

    const start = (options: InstanceOptions = {}) =>
      world.start({ ...options, shared: { port: redis.port, ...options.shared } });

    /** A session whose token Redis knows to be active: made by a rotation here. */
    async function session(at: Instance = one) {
      const login = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 60 });
      return { login, ...rotated(await at.service.refresh(login.token)) };
    }
    const rows = (jti: string) =>
      world.sql<{ created_us: string; blacklisted_us: string | null; token: string }>(
        `SELECT o.token, (extract(epoch FROM o.created_at) * 1000000)::bigint AS created_us,
                (extract(epoch FROM b.blacklisted_at) * 1000000)::bigint AS blacklisted_us
           FROM token_blacklist_outstandingtoken o
           LEFT JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
          WHERE o.jti = $1`,
        [jti],
      );
    async function until(done: () => boolean | Promise<boolean>): Promise<void> {
      const giveUp = Date.now() + PATIENCE_MS;
      while (!(await done())) {
        if (Date.now() > giveUp) throw new Error('it did not come to be');
        await sleep(10);
      }
    }
    const isBlacklisted = async (jti: string) => (await rows(jti))[0]?.blacklisted_us != null;
    const token = (login: MintedToken, jti: string) =>
      KEYS.of(partitionOf(String(login.userId)), 'token', jti);
    /** Keeps an instance from writing behind until it is let. */
    function hold(instance: Instance): () => void {
      let letGo = (): void => undefined;
      const held = new Promise<void>((resolve) => (letGo = resolve));
      instance.faults.push({ purpose: 'write_behind', what: () => held });
      // Else its stop would wait for what it owes.
      onTestFinished(() => letGo());
      return letGo;
    }
    const claims = (instance: Instance) => instance.statements.get('claim') ?? 0;

    it('claims a token that Redis knows in Redis alone, and writes it behind, marked', async () => {
      const { jti, refresh, login } = await session();
      const before = claims(one);
      const next = rotated(await one.service.refresh(refresh));
      expect(claims(one)).toBe(before);
      await until(() => isBlacklisted(jti));
      const [[spent], [made]] = [await rows(jti), await rows(next.jti)];
      expect(spent?.blacklisted_us).toBe(String(next.claimedAtUs));
      expect(made).toEqual({
        created_us: String(next.claimedAtUs),
        blacklisted_us: null,
        token: next.refresh,
      });
      await until(async () => (await redis.cli('GET', token(login, jti))) === 's');
      expect(await redis.cli('XLEN', KEYS.outbox(partitionOf(String(login.userId))))).toBe('0');
      // And on, at the other instance.
      const beforeThere = claims(two);
      rotated(await two.service.refresh(next.refresh));
      expect(claims(two)).toBe(beforeThere);
    });

    it.each(['token_blacklist_blacklistedtoken', 'token_blacklist_outstandingtoken', 'auth_user'])(
      'goes on though somebody has locked a table as a whole, and writes when the lock is gone: %s',
      async (table) => {
        const { jti, refresh } = await session();
        await until(() => one.status()?.depth === 0);
        const holder = await openClient(world.url);
        onTestFinished(() => holder.end());
        await holder.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
        const second = rotated(await one.service.refresh(refresh));
        const third = rotated(await two.service.refresh(second.refresh));
        const fourth = rotated(await one.service.refresh(third.refresh));
        expect(one.status()?.depth).toBeGreaterThan(0);
        await holder.query('COMMIT');
        for (const spent of [jti, second.jti, third.jti]) await until(() => isBlacklisted(spent));
        expect(await isBlacklisted(fourth.jti)).toBe(false);
      },
    );

    it('lets exactly one of many win, wherever they come, and gives no pair twice at grace 0', async () => {
      const { refresh } = await session();
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, n) => (n % 2 ? one : two).service.refresh(refresh)),
      );
      const kinds = outcomes.map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === 'rotated')).toHaveLength(1);
      expect(kinds.filter((kind) => !['rotated', 'in_progress', 'blacklisted'].includes(kind))).toEqual([]);
      expect(await one.service.refresh(refresh)).toMatchObject({ kind: 'blacklisted' });
    });

    it('refuses a token that is claimed and not yet written, at the other instance and for verify, too', async () => {
      const { refresh, jti } = await session();
      const letGo = hold(one);
      const next = rotated(await one.service.refresh(refresh));
      expect(await isBlacklisted(jti)).toBe(false);
      expect(await two.service.verify(refresh)).toEqual({ kind: 'blacklisted' });
      expect((await two.service.refresh(refresh)).kind).toBe('blacklisted');
      expect((await one.service.verify(next.refresh)).kind).toBe('valid');
      letGo();
      await until(() => isBlacklisted(jti));
    });

    it('inside the grace hands out the same pair again, though nothing is written yet', async () => {
      const { refresh } = await session(graceful);
      const letGo = hold(graceful);
      const first = rotated(await graceful.service.refresh(refresh));
      const other = await start({ graceUs: 30_000_000 });
      const again = rotated(await other.service.refresh(refresh));
      expect(again).toEqual({ ...first, replayed: true });
      letGo();
      await until(() => graceful.status()?.depth === 0);
    });

    it('inside the grace hands out no pair that was used since, though its use is not written yet', async () => {
      const { refresh } = await session(graceful);
      const second = rotated(await graceful.service.refresh(refresh));
      await until(() => graceful.status()?.depth === 0);
      const letGo = hold(graceful);
      const third = rotated(await graceful.service.refresh(second.refresh));
      const other = await start({ graceUs: 30_000_000 });
      for (const { service } of [graceful, other])
        expect((await service.refresh(refresh)).kind).toBe('blacklisted');
      expect(rotated(await other.service.refresh(second.refresh))).toEqual({ ...third, replayed: true });
      letGo();
      await until(() => graceful.status()?.depth === 0);
    });

    it('logs out to the tip what is claimed and not yet written, and nothing of it is refreshed anywhere', async () => {
      const { refresh, jti } = await session();
      const letGo = hold(one);
      const second = rotated(await one.service.refresh(refresh));
      const third = rotated(await one.service.refresh(second.refresh));
      expect((await two.service.logout(refresh)).kind).toBe('logged_out');
      for (const dead of [second.refresh, third.refresh])
        expect((await two.service.refresh(dead)).kind).toBe('blacklisted');
      letGo();
      await until(() => one.status()?.depth === 0);
      for (const dead of [second.refresh, third.refresh])
        expect((await one.service.refresh(dead)).kind).toBe('blacklisted');
      for (const id of [jti, second.jti, third.jti]) expect(await isBlacklisted(id)).toBe(true);
      expect((await two.service.refresh(third.refresh)).kind).toBe('blacklisted');
    });

    it('a live token that was logged out is refreshed nowhere', async () => {
      const { refresh } = await session();
      expect((await two.service.logout(refresh)).kind).toBe('logged_out');
      for (const instance of [one, two])
        expect((await instance.service.refresh(refresh)).kind).toBe('blacklisted');
    });

    it('leaves the same rows in whatever order two instances write a family', async () => {
      const { refresh, jti } = await session();
      const letGo = hold(one);
      const second = rotated(await one.service.refresh(refresh));
      const third = rotated(await two.service.refresh(second.refresh));
      await until(() => isBlacklisted(second.jti));
      // Its own row was made by its successor's claim, which knew its iat only.
      expect((await rows(second.jti))[0]?.created_us).not.toBe(String(second.claimedAtUs));
      letGo();
      await until(() => isBlacklisted(jti));
      expect((await rows(jti))[0]?.blacklisted_us).toBe(String(second.claimedAtUs));
      expect((await rows(second.jti))[0]).toMatchObject({
        created_us: String(second.claimedAtUs),
        blacklisted_us: String(third.claimedAtUs),
      });
      expect((await rows(third.jti))[0]).toMatchObject({
        created_us: String(third.claimedAtUs),
        blacklisted_us: null,
      });
    });

    it('where Django logged out first, what was claimed dies when that is found, to its tip', async () => {
      const { refresh, jti } = await session();
      const letGo = hold(one);
      const second = rotated(await one.service.refresh(refresh));
      const third = rotated(await two.service.refresh(second.refresh));
      await world.sql(
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
        [jti],
      );
      letGo();
      await until(async () => (await isBlacklisted(second.jti)) && (await isBlacklisted(third.jti)));
      expect(one.written).toContain('closed');
      expect((await two.service.refresh(third.refresh)).kind).toBe('blacklisted');
    });

    it('loses nothing to FLUSHALL: what was answered is written from memory', async () => {
      const { refresh, jti } = await session();
      const letGo = hold(one);
      const next = rotated(await one.service.refresh(refresh));
      await redis.cli('FLUSHALL');
      letGo();
      await until(() => isBlacklisted(jti));
      expect((await rows(next.jti))[0]?.created_us).toBe(String(next.claimedAtUs));
      // Nobody knows it now, so the database is asked.
      rotated(await two.service.refresh(next.refresh));
    });

    it('what Redis has forgotten its instance knows to be claimed, until it is written', async () => {
      const { refresh } = await session();
      const letGo = hold(one);
      rotated(await one.service.refresh(refresh));
      await redis.cli('FLUSHALL');
      const again = one.service.refresh(refresh);
      // It waits for the rows; who claimed once more would be answered by now.
      await Promise.race([again, sleep(300)]);
      letGo();
      expect((await again).kind).toBe('blacklisted');
      expect(one.written).not.toContain('double');
    });

    it('what Redis has forgotten is tried again by its instance when a write fails', async () => {
      const { refresh, jti } = await session();
      const table = 'token_blacklist_blacklistedtoken';
      const back = async () => {
        await world.sql(`ALTER TABLE IF EXISTS elsewhere RENAME TO ${table}`);
      };
      onTestFinished(back);
      one.faults.push(
        {
          purpose: 'write_behind',
          async what() {
            await redis.cli('FLUSHALL');
            await world.sql(`ALTER TABLE ${table} RENAME TO elsewhere`);
          },
        },
        { purpose: 'write_behind', what: back },
      );
      const next = rotated(await one.service.refresh(refresh));
      await until(() => one.status()?.depth === 0);
      expect(one.faults).toEqual([]);
      expect((await rows(jti))[0]?.blacklisted_us).toBe(String(next.claimedAtUs));
    });

    it('where Redis forgot and the instance died with it, a replay has the same successor, and is reuse', async () => {
      const [first, second] = dying;
      const { refresh } = await session(first);
      hold(first);
      const next = rotated(await first.service.refresh(refresh));
      await redis.cli('FLUSHALL');
      // Nobody knows any more that it was claimed. Its successor stands once it has been used.
      const after = rotated(await two.service.refresh(next.refresh));
      const before = two.events.length;
      expect((await two.service.refresh(refresh)).kind).toBe('blacklisted');
      expect(two.events.slice(before)).toContainEqual(
        expect.objectContaining({ kind: 'reuse', reuse: 'second_claim' }),
      );
      rotated(await two.service.refresh(after.refresh));
      // And before that, the one successor that it can have.
      const other = await session(second);
      hold(second);
      const answered = rotated(await second.service.refresh(other.refresh));
      await redis.cli('FLUSHALL');
      const again = rotated(await one.service.refresh(other.refresh));
      expect(again.jti).toBe(answered.jti);
    });

    it('takes over what an instance left behind that died', async () => {
      const [, , last] = dying;
      const { refresh, jti } = await session(last);
      hold(last);
      const next = rotated(await last.service.refresh(refresh));
      // It is as good as dead: it never writes again. Others look after what has lain for 2.5 s.
      await until(() => isBlacklisted(jti));
      expect((await rows(next.jti))[0]?.token).toBe(next.refresh);
    });

    it('is bounded: with as much owed as may be, a refresh is answered 503, and later goes on', async () => {
      const sessions = [];
      for (let n = 0; n < 4; n++) sessions.push(await session(small));
      const letGo = hold(small);
      const kinds = [];
      for (const { refresh } of sessions) kinds.push((await small.service.refresh(refresh)).kind);
      expect(kinds).toEqual(['rotated', 'rotated', 'rotated', 'unavailable']);
      letGo();
      await until(() => small.status()?.depth === 0);
      rotated(await small.service.refresh(sessions[3]!.refresh));
    });

    it('who dies with a claim sent to the database leaves no word in Redis by which it is claimed again', async () => {
      const { refresh, login, jti } = await session(graceful);
      // One that has just started believes nothing that was made before it: it asks the database.
      const fresh = await start({ graceUs: 30_000_000 });
      fresh.faults.push({ purpose: 'claim', what: { answerLateMs: 1_000 } });
      const late = fresh.service.refresh(refresh);
      await until(() => isBlacklisted(jti));
      // As when its lock has run out.
      await redis.cli('DEL', KEYS.of(partitionOf(String(login.userId)), 'lock', jti));
      const before = graceful.written.length;
      const again = rotated(await graceful.service.refresh(refresh));
      expect(again).toEqual({ ...rotated(await late), replayed: true });
      expect(graceful.written.slice(before)).not.toContain('double');
    });

    it('a Redis that froze: the claim goes to the database with its time, and what wakes up late does nothing', async () => {
      const { refresh, jti, login } = await session(hasty);
      redis.kill('SIGSTOP');
      const next = rotated(await refreshUntilAnswered(hasty.service, refresh));
      const after = rotated(await refreshUntilAnswered(hasty.service, next.refresh));
      redis.kill('SIGCONT');
      await until(() => hasty.service.refresh(after.refresh).then(({ kind }) => kind === 'rotated'));
      // The first script may not have called `next` active: it was spent since.
      await until(async () => (await redis.cli('GET', token(login, jti))) === 's');
      expect(await redis.cli('GET', token(login, next.jti))).not.toMatch(/^a/);
      expect((await two.service.refresh(next.refresh)).kind).toBe('blacklisted');
      expect((await rows(jti))[0]?.blacklisted_us).toBe(String(next.claimedAtUs));
      const doubles = [hasty, two].flatMap(({ written }) => written.filter((kind) => kind === 'double'));
      expect(doubles).toEqual([]);
    });

    it('a Redis whose answer got lost: the claim goes to the database with the very same time', async () => {
      const proxy = await startTcpProxy(redis.port);
      onTestFinished(() => proxy.stop());
      const deaf = await start({ shared: { port: proxy.port, redisTimeoutMs: 1_000 } });
      await sleep(TRUST_MS);
      const { refresh, jti, login } = await session(deaf);
      const owed = () => redis.cli('XLEN', KEYS.outbox(partitionOf(String(login.userId))));
      const before = claims(deaf);
      proxy.loseAnswers();
      const next = rotated(await deaf.service.refresh(refresh));
      expect([await owed(), claims(deaf)]).toEqual(['1', before + 1]);
      proxy.heal();
      // Another instance finds what nobody says to be written.
      await until(async () => (await owed()) === '0');
      expect((await rows(jti))[0]?.blacklisted_us).toBe(String(next.claimedAtUs));
      expect([deaf, one, two].flatMap(({ written }) => written)).not.toContain('double');
    });

    it('a log-out while Redis is out of reach is known to the others once it is back', async () => {
      const { refresh, login } = await session(hasty);
      redis.kill('SIGSTOP');
      expect((await hasty.service.logout(refresh)).kind).toBe('logged_out');
      redis.kill('SIGCONT');
      const userKey = String(login.userId);
      await until(async () => (await redis.cli('GET', KEYS.userSince(partitionOf(userKey), userKey))) !== '');
      expect((await two.service.refresh(refresh)).kind).toBe('blacklisted');
    });

    it('refuses claims by Redis once it evicts, and takes them again', async () => {
      await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
      const strict = world.start({ shared: { port: redis.port } });
      await expect(strict).rejects.toMatchObject({ code: 'REDIS_EVICTS', exitCode: 4 });
      const auto = await start({ shared: { port: redis.port, blacklist: 'auto', feed: alive } });
      expect(auto.status()?.mode).toBe('sync');
      await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    });

    it('a pair made in the database is known to Redis before it is handed out', async () => {
      const login = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 60 });
      const happened: string[] = [];
      const stop = () => {
        redis.kill('SIGSTOP');
        return Promise.resolve();
      };
      one.faults.push({ purpose: 'claim', what: stop });
      const answered = one.service.refresh(login.token).then((outcome) => {
        happened.push('answered');
        return rotated(outcome);
      });
      await until(() => isBlacklisted(login.jti));
      // Time enough for an answer that waits for nothing more.
      await sleep(200);
      happened.push('Redis goes on');
      redis.kill('SIGCONT');
      const { jti, claimedAtUs } = await answered;
      expect(happened).toEqual(['Redis goes on', 'answered']);
      expect(await redis.cli('GET', token(login, jti))).toMatch(new RegExp(`^a\\d+:${claimedAtUs}$`));
    });

    it('after a time in which changes were not heard all that was active before it is asked of the database', async () => {
      const listeners: ChangeListener[] = [];
      const feed = { alive: true, subscribe: (listener: ChangeListener) => void listeners.push(listener) };
      const auto = await start({ shared: { port: redis.port, blacklist: 'auto', feed } });
      await sleep(TRUST_MS);
      const { refresh } = await session(auto);
      const before = claims(auto);
      const next = rotated(await auto.service.refresh(refresh));
      expect(claims(auto)).toBe(before);
      feed.alive = false;
      for (const listener of listeners) listener.onLost();
      feed.alive = true;
      for (const listener of listeners) listener.onAlive();
      rotated(await auto.service.refresh(next.refresh));
      expect(claims(auto)).toBe(before + 1);
    });

    it('auto claims in Redis only while changes are heard', async () => {
      const feed = { alive: false, subscribe: () => undefined };
      const auto = await start({ shared: { port: redis.port, blacklist: 'auto', feed } });
      expect(auto.status()?.mode).toBe('sync');
      feed.alive = true;
      expect(auto.status()?.mode).toBe('async');
      feed.alive = false;
      expect(auto.status()?.mode).toBe('sync');
    });

    const alive = { alive: true, subscribe: () => undefined };
  },
);

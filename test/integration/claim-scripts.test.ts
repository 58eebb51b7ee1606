import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Circuit } from '../../src/cache/circuit.js';
import { MemoryCache } from '../../src/cache/memory.js';
import { OutboxStream } from '../../src/cache/outbox-stream.js';
import { partitionOf, RedisKeys } from '../../src/cache/partition.js';
import { openRedis } from '../../src/cache/redis-client.js';
import { RedisClock } from '../../src/cache/redis-clock.js';
import { RedisCache, SPENT_LIFE_MS } from '../../src/cache/redis.js';
import { redisUrl } from '../../src/config/redis-url.js';
import type { Claim, TokenKey } from '../../src/rotation/ports.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { services } from '../support/services.js';

const KEYS = new RedisKeys('carelink_tokens');

const REQUEST_TIMEOUT_MS = 60_000;
const LIFETIME_MS = 12 * 3_600_000;
/** When the claims were made that called the tokens of these tests active, and when they are claimed. */
const MADE_US = 1_700_000_000_000_000;
const CLAIMED_US = MADE_US + 60_000_000;
/** Longer than an entry may be left alone by whoever owes it. */
const LEFT_MS = '600000';

describe.skipIf(services().redis === undefined)('what the scripts of Redis keep (rules 12 and 13)', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  /** One that believes what was made after `trustedSinceUs`, and writes nothing by itself. `late`: its scripts come too late. */
  async function instance({ trustedSinceUs = MADE_US - 1, late = false } = {}) {
    const monotonicMs = () => performance.now();
    const client = openRedis({
      address: redisUrl.parse(`redis://127.0.0.1:${server.port}`)!,
      keys: KEYS,
      random: Math.random,
      onError: () => undefined,
      timeoutMs: 10_000,
    });
    onTestFinished(() => client.close());
    const owed: { readonly partition: number; readonly entryId: string }[] = [];
    const shared = {
      client,
      keys: KEYS,
      circuit: new Circuit(monotonicMs, Math.random),
      clock: new RedisClock(monotonicMs, true),
      refreshLifetimeMs: LIFETIME_MS,
      monotonicMs,
      onChange: () => undefined,
    };
    const cache = new RedisCache({
      ...shared,
      commandTimeoutMs: late ? -10_000 : 10_000,
      local: new MemoryCache({ maxActive: 100, maxSpent: 100 }),
      desk: {
        trustedSinceUs: () => trustedSinceUs,
        hasRoom: () => true,
        owe: (_, partition, entryId) => owed.push({ partition, entryId }),
        owed: () => undefined,
      },
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      random: Math.random,
    });
    while ((await cache.check()) !== 'ok') await sleep(20);
    // The first answer tells what time Redis has.
    const any = token();
    await cache.begin(any);
    await cache.finish(any, undefined);
    return { client, cache, owed, stream: new OutboxStream({ ...shared, consumer: cache.consumer }) };
  }

  let users = 0;
  const token = (userKey = String(users++)): TokenKey => ({
    jti: randomBytes(16).toString('hex'),
    userKey,
  });
  const claimOf = ({ jti, userKey }: TokenKey): Claim => ({
    jti,
    rowId: undefined,
    token: 'a.b.c',
    userKey,
    issuedAtSeconds: MADE_US / 1_000_000,
    expiresAtSeconds: 2_000_000_000,
    claimedAtUs: CLAIMED_US,
    successor: { jti: randomBytes(16).toString('hex'), token: 'd.e.f', expiresAtSeconds: 2_000_000_000 },
  });
  const key = (what: 'lock' | 'token', { jti, userKey }: TokenKey) =>
    KEYS.of(partitionOf(userKey), what, jti);
  const outbox = ({ userKey }: TokenKey) => KEYS.outbox(partitionOf(userKey));
  const successorOf = (claim: Claim): TokenKey => ({ jti: claim.successor.jti, userKey: claim.userKey });
  const lifeOf = async (name: string) => Number(await server.cli('PTTL', name));
  /** A token that Redis calls active. */
  async function active(userKey?: string): Promise<TokenKey> {
    const made = token(userKey);
    await server.cli('SET', key('token', made), `a:${MADE_US}`);
    return made;
  }

  it('does for many at once, in a few messages, what it does for each by itself', async () => {
    const [here, there] = [await instance(), await instance()];
    const ACTIVE = 70;
    const LOCKED = 20;
    const tokens = Array.from({ length: 150 }, () => token());
    for (const one of tokens.slice(0, ACTIVE)) await server.cli('SET', key('token', one), `a:${MADE_US}`);
    const kindOf = (n: number) => (n < ACTIVE ? 'claimed' : n < ACTIVE + LOCKED ? 'busy' : 'begun');
    for (const locked of tokens.slice(ACTIVE, ACTIVE + LOCKED)) await there.cache.begin(locked);
    // Each script asks for the time once.
    const sent = async () =>
      Number(/cmdstat_time:calls=(\d+)/.exec(await server.cli('INFO', 'commandstats'))?.[1]);
    // In no order of theirs.
    const order = tokens.map((_, n) => n).sort((a, b) => ((a * 67) % 151) - ((b * 67) % 151));

    const before = await sent();
    const claims = tokens.map(claimOf);
    const begun = await Promise.all(order.map((n) => here.cache.begin(tokens[n]!, claims[n])));
    expect(begun.map(({ kind }) => kind)).toEqual(order.map(kindOf));
    expect(here.owed.length).toBe(ACTIVE);
    expect(await sent()).toBe(before + Math.ceil(150 / 64));
    for (const [n, claim] of claims.entries()) {
      const successor = await server.cli('GET', key('token', successorOf(claim)));
      expect(successor).toBe(n < ACTIVE ? `a:${CLAIMED_US}` : '');
    }

    const open = tokens.slice(ACTIVE + LOCKED);
    await Promise.all(
      open.map((one, n) =>
        here.cache.finish(one, n % 2 === 0 ? undefined : { spent: one.jti, successor: undefined }),
      ),
    );
    expect(await sent()).toBe(before + Math.ceil(150 / 64) + 1);
    for (const [n, one] of open.entries()) {
      expect(await server.cli('EXISTS', key('lock', one))).toBe('0');
      expect(await server.cli('GET', key('token', one))).toBe(n % 2 === 0 ? '' : 's');
    }
    for (const locked of tokens.slice(ACTIVE, ACTIVE + LOCKED))
      expect(await server.cli('EXISTS', key('lock', locked))).toBe('1');
    // Other tests look into outboxes of their own.
    await server.cli('FLUSHALL');
  });

  it('gives back the lock that it took, and not that of whoever took it when it had run out', async () => {
    const [here, there] = [await instance(), await instance()];
    const one = token();
    expect((await here.cache.begin(one)).kind).toBe('begun');
    await server.cli('DEL', key('lock', one));
    expect((await there.cache.begin(one)).kind).toBe('begun');
    await here.cache.finish(one, { spent: one.jti, successor: undefined });
    expect(await server.cli('EXISTS', key('lock', one))).toBe('1');
    expect((await here.cache.begin(one)).kind).toBe('busy');
    await there.cache.finish(one, undefined);
    expect(await server.cli('EXISTS', key('lock', one))).toBe('0');
  });

  it('takes a lock for as long as a request may take', async () => {
    const here = await instance();
    const [unknown, offered] = [token(), token()];
    await here.cache.begin(unknown);
    await here.cache.begin(offered, claimOf(offered));
    for (const locked of [unknown, offered]) {
      const life = await lifeOf(key('lock', locked));
      expect(life).toBeGreaterThan(0);
      expect(life).toBeLessThanOrEqual(REQUEST_TIMEOUT_MS);
    }
  });

  it('needs no lock for what it claims: whoever comes next learns of the claim', async () => {
    const [here, there] = [await instance(), await instance()];
    const one = await active();
    const claim = claimOf(one);
    expect(await here.cache.begin(one, claim)).toEqual({ kind: 'claimed' });
    expect(await server.cli('EXISTS', key('lock', one))).toBe('0');
    expect(await there.cache.begin(one, claimOf(one))).toMatchObject({
      kind: 'begun',
      hint: { state: 'claimed', claimed: { claimedAtUs: CLAIMED_US, successorJti: claim.successor.jti } },
    });
  });

  it('claims nothing that is on its way to the database', async () => {
    const [here, there] = [await instance(), await instance()];
    const one = await active();
    const locked = key('lock', one);
    await server.cli('SET', locked, 'somebody');
    expect((await here.cache.begin(one, claimOf(one))).kind).toBe('busy');
    await server.cli('DEL', locked);
    expect((await here.cache.begin(one)).kind).toBe('begun');
    expect((await there.cache.begin(one, claimOf(one))).kind).toBe('busy');
    // Its lock has run out, and its claim may stand: Redis' word is not taken any more.
    await server.cli('DEL', locked);
    expect((await there.cache.begin(one, claimOf(one))).kind).toBe('begun');
    expect(await server.cli('EXISTS', outbox(one))).toBe('0');
  });

  it('claims nothing and calls nothing active once nobody waits for it any more', async () => {
    const here = await instance({ late: true });
    const [one, two] = [await active(), token()];
    expect(await here.cache.begin(one, claimOf(one))).toMatchObject({ kind: 'begun' });
    expect(await server.cli('EXISTS', outbox(one))).toBe('0');
    const next = token(two.userKey);
    await here.cache.begin(two);
    const successor = { jti: next.jti, rowId: '1', claimedAtUs: CLAIMED_US };
    await here.cache.finish(two, { spent: two.jti, successor });
    expect(await server.cli('GET', key('token', two))).toBe('s');
    expect(await server.cli('EXISTS', key('token', next))).toBe('0');
  });

  it('claims only what was made since it believes Redis, and since the user was logged out', async () => {
    const [one, other] = [await active(), await active()];
    const fresh = await instance({ trustedSinceUs: MADE_US });
    expect(await fresh.cache.begin(one, claimOf(one))).toMatchObject({ kind: 'begun' });
    const since = KEYS.userSince(partitionOf(other.userKey), other.userKey);
    const here = await instance();
    await server.cli('SET', since, String(MADE_US));
    expect(await here.cache.begin(other, claimOf(other))).toMatchObject({ kind: 'begun' });
    for (const each of [one, other]) expect(await server.cli('EXISTS', outbox(each))).toBe('0');
    const third = await active(other.userKey);
    await server.cli('SET', since, String(MADE_US - 1));
    expect(await here.cache.begin(third, claimOf(third))).toEqual({ kind: 'claimed' });
  });

  it.each(['s', `c${CLAIMED_US}:${'0'.repeat(32)}:somebody`])(
    'never calls active a successor that is known already: %s',
    async (known) => {
      const here = await instance();
      const [one, two] = [await active(), token()];
      const claim = claimOf(one);
      await server.cli('SET', key('token', successorOf(claim)), known);
      expect(await here.cache.begin(one, claim)).toEqual({ kind: 'claimed' });
      expect(await server.cli('GET', key('token', successorOf(claim)))).toBe(known);
      // Nor one that was claimed in the database.
      const next = token(two.userKey);
      await server.cli('SET', key('token', next), known);
      await here.cache.begin(two);
      const successor = { jti: next.jti, rowId: '1', claimedAtUs: CLAIMED_US };
      await here.cache.finish(two, { spent: two.jti, successor });
      expect(await server.cli('GET', key('token', two))).toBe('s');
      expect(await server.cli('GET', key('token', next))).toBe(known);
    },
  );

  it('knows what is claimed for longer than its entry lies in the outbox, and goes on to call it spent', async () => {
    const here = await instance();
    const one = await active();
    const claim = claimOf(one);
    expect(await here.cache.begin(one, claim)).toEqual({ kind: 'claimed' });
    // As long as the token itself, however long the database can't be written to.
    expect(await lifeOf(key('token', one))).toBeGreaterThan(SPENT_LIFE_MS);
    expect(await lifeOf(outbox(one))).toBe(-1);
    const [{ partition, entryId } = { partition: 0, entryId: '' }] = here.owed;
    expect(await here.stream.settle(partition, [entryId], [one.jti])).toBe(true);
    expect(await server.cli('XLEN', outbox(one))).toBe('0');
    expect(await server.cli('GET', key('token', one))).toBe('s');
    expect(await lifeOf(key('token', one))).toBeGreaterThan(0);
  });

  it.each([
    ['whose outbox is spoilt', (one: TokenKey) => ['SET', outbox(one), 'no stream'], undefined],
    ['that is full', () => ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
  ])(
    'leaves all as it was in a Redis %s: what is not to be written is not claimed',
    async (_, spoil, mend) => {
      const here = await instance();
      const one = await active();
      const claim = claimOf(one);
      await server.cli(...spoil(one));
      onTestFinished(async () => {
        await server.cli(...(mend ?? ['DEL', outbox(one)]));
      });
      expect(await here.cache.begin(one, claim)).toMatchObject({ kind: 'begun', offerInDoubt: true });
      expect(here.owed).toEqual([]);
      expect(await server.cli('GET', key('token', one))).toBe(`a:${MADE_US}`);
      for (const name of [key('token', successorOf(claim)), key('lock', one)])
        expect(await server.cli('EXISTS', name)).toBe('0');
    },
  );

  it('tells a claim that is asked for again that it is taken, whoever has the lock by then', async () => {
    const here = await instance();
    const one = await active();
    const claim = claimOf(one);
    const ask = () =>
      here.client.claim(
        key('lock', one),
        key('token', one),
        KEYS.of(partitionOf(one.userKey), 'doubt', one.jti),
        key('token', successorOf(claim)),
        outbox(one),
        KEYS.userSince(partitionOf(one.userKey), one.userKey),
        'me:1',
        REQUEST_TIMEOUT_MS,
        Number.MAX_SAFE_INTEGER,
        MADE_US - 1,
        claim.claimedAtUs,
        'a claim',
        'me',
        LIFETIME_MS,
        LIFETIME_MS,
        claim.successor.jti,
      );
    expect(((await ask()) as unknown[])[0]).toBe(2);
    await server.cli('SET', key('lock', one), 'another:7');
    expect(((await ask()) as unknown[])[0]).toBe(2);
    expect(await server.cli('XLEN', outbox(one))).toBe('1');
  });

  it('claims the others that come with one whose outbox is spoilt, each once', async () => {
    const here = await instance();
    const tokens: TokenKey[] = [];
    while (tokens.length < 9) {
      const one = token();
      if (!tokens.some((other) => outbox(other) === outbox(one))) tokens.push(one);
    }
    for (const one of tokens) {
      await server.cli('DEL', outbox(one));
      await server.cli('SET', key('token', one), `a:${MADE_US}`);
    }
    const spoilt = outbox(tokens[4]!);
    await server.cli('SET', spoilt, 'no stream');
    onTestFinished(async () => {
      await server.cli('DEL', spoilt);
    });
    const begun = await Promise.all(tokens.map((one) => here.cache.begin(one, claimOf(one))));
    expect(begun.map(({ kind }) => kind)).toEqual(
      tokens.map((one) => (outbox(one) === spoilt ? 'begun' : 'claimed')),
    );
    for (const one of tokens)
      if (outbox(one) !== spoilt) expect(await server.cli('XLEN', outbox(one))).toBe('1');
  });

  it('an entry is its instance’s own; what one leaves behind goes to one other, in the order of the claims', async () => {
    const [here, two, three] = [await instance(), await instance(), await instance()];
    const first = await active();
    const claims = [first, await active(first.userKey), await active(first.userKey)].map(claimOf);
    for (const claim of claims) expect(await here.cache.begin(claim, claim)).toEqual({ kind: 'claimed' });
    const ids = here.owed.map(({ entryId }) => entryId);
    const owner = async () =>
      (await server.cli('XPENDING', outbox(first), 'writers', '-', '+', '9')).split('\n');
    for (const id of ids) expect(await owner()).toContain(id);
    expect((await owner()).filter((line) => line === here.cache.consumer)).toHaveLength(3);
    const partition = partitionOf(first.userKey);
    expect(await two.stream.takeOver(partition)).toEqual([]);
    await server.cli('XCLAIM', outbox(first), 'writers', here.cache.consumer, '0', ...ids, 'IDLE', LEFT_MS);
    const found = await Promise.all([two, three].map(({ stream }) => stream.takeOver(partition)));
    const [taken] = found.filter((entries) => entries?.length !== 0);
    expect(found).toContainEqual([]);
    expect(taken?.map(({ id, claim }) => [id, claim?.jti])).toEqual(
      claims.map(({ jti }, n) => [ids[n], jti]),
    );
    expect(await owner()).not.toContain(here.cache.consumer);
  });
});

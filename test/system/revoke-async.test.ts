import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import type { ChangeFeed } from '../../src/rotation/change-feed.js';
import { run } from '../cli/run.js';
import { sendRefresh, startFleet, type Fleet } from '../support/fleet.js';
import { createUsers, openClient, query, type FreshDatabase } from '../support/postgres.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import type { Instance } from '../support/rotation.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { decodeToken, issueTokens, mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

/** An instance believes Redis of what was made a second after its start, or after everybody was revoked. */
const TRUST_MS = 1_500;
/** What the command promises: from then on none refreshes anywhere. */
const HOLDS_AFTER_MS = 1_000;

/** A feed is relied on for a second after its last beat; a little less, for the mark has been there for a moment. */
const UNHEARD_MS = 900;

/** An advisory lock that every new row of a token waits for. */
const INSERTS = 4711;

const available = services().postgres !== undefined && services().redis !== undefined;

describe.skipIf(!available)('revoke, where tokens are claimed in a Redis that two instances share', () => {
  let database: FreshDatabase;
  let redis: RedisServer;
  let fleet: Fleet;
  let directory: string;
  beforeAll(async () => {
    database = await migratedDatabase({ notify: true });
    await query(
      database.url,
      `CREATE FUNCTION await_holder() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_advisory_xact_lock_shared(${INSERTS}); RETURN NEW; END $$;
       CREATE TRIGGER await_holder BEFORE INSERT ON token_blacklist_outstandingtoken
         FOR EACH ROW EXECUTE FUNCTION await_holder()`,
    );
    redis = await startRedis();
    fleet = await startFleet(2, {
      databaseUrl: database.url,
      args: [
        ...['--blacklist', 'auto', '--redis-url', `redis://127.0.0.1:${redis.port}`],
        // A try of handOut() that fails waits this long for its lock.
        ...['--request-timeout', '1s'],
      ],
    });
    directory = mkdtempSync(join(tmpdir(), 'carelink-revoke-'));
    await sleep(TRUST_MS);
  });
  afterAll(async () => {
    rmSync(directory, { recursive: true });
    await fleet.stop();
    await redis.stop();
    await database.drop();
  });

  let requests = 0;
  const refresh = (instance: number, userId: unknown, token: string) =>
    sendRefresh(fleet.servers[instance]!.url, String(userId), token, requests++);
  /** As a client does it: what had no answer in its time is sent again. */
  const answered = async (instance: number, userId: unknown, token: string) => {
    for (;;) {
      const attempt = await refresh(instance, userId, token);
      if (attempt.status !== 503) return attempt;
    }
  };
  /** One after the other: two at once would be told that the other is under way. */
  const statuses = async (userId: unknown, token: string) => [
    (await answered(0, userId, token)).status,
    (await answered(1, userId, token)).status,
  ];
  const owed = async () => {
    const texts = await Promise.all(
      fleet.servers.map(async ({ adminUrl }) => (await fetch(`${adminUrl}/metrics`)).text()),
    );
    return texts.reduce(
      (sum, text) => sum + Number(/^carelink_outbox_depth (\d+)/m.exec(text)?.[1] ?? NaN),
      0,
    );
  };
  const hasRow = async (token: string) =>
    (
      await query(database.url, 'SELECT FROM token_blacklist_outstandingtoken WHERE jti = $1', [
        decodeToken(token).claims['jti'],
      ])
    ).length > 0;

  /**
   * A token that one instance has made and the other has rotated, in Redis alone: until the holder commits nothing can be
   * written behind, for each new row waits for it; revoking can. An instance that heard nothing of changes for a
   * second, as on a busy machine, goes to the database for what was made before; then with the next token.
   */
  async function handOut(userId: unknown, login: string) {
    const holder = await openClient(database.url);
    onTestFinished(() => holder.end());
    for (let token = login; ;) {
      const known = (await answered(0, userId, token)).pair!.refresh;
      await expect.poll(owed, { timeout: 30_000 }).toBe(0);
      await holder.query(`BEGIN; SELECT pg_advisory_xact_lock(${INSERTS})`);
      const { pair } = await refresh(1, userId, known);
      if (pair !== undefined && (await owed()) === 1 && !(await hasRow(pair.refresh)))
        return { known, successor: pair.refresh, holder };
      await holder.query('COMMIT');
      await sleep(TRUST_MS);
      token = pair?.refresh ?? known;
    }
  }

  it.each(['--user', '--jti', '--family', '--issued-before'])(
    '%s: a successor that is handed out and not written yet is refused, too',
    async (by) => {
      const [userId] = await createUsers(database.url, 1);
      const nowSeconds = Math.floor(Date.now() / 1000);
      const [login] = await issueTokens(database.url, [userId!], { iatSeconds: nowSeconds - 5 });
      const rowless = mintRefresh({ userId: userId!, iatSeconds: nowSeconds - 5 });
      const { known, successor, holder } = await handOut(userId, login!.token);
      const file = join(directory, 'token');
      writeFileSync(file, known);
      const target = {
        '--user': String(userId),
        '--issued-before': 'now',
        '--jti': String(decodeToken(known).claims['jti']),
        '--family': file,
      }[by]!;
      const ended = run(['revoke', '--database-url', database.url, '--yes', by, target], {
        CARELINK_SIGNING_KEY: TEST_SIGNING_KEY,
      });
      // Given the token itself it would make the row that is missing, and waits for the lock.
      if (by === '--family') await sleep(500);
      else await ended;
      await holder.query('COMMIT');
      expect((await ended).code).toBe(0);
      await sleep(HOLDS_AFTER_MS);
      expect(await statuses(userId, successor)).toEqual([401, 401]);
      expect(await statuses(userId, known)).toEqual([401, 401]);
      if (by === '--user' || by === '--issued-before')
        expect(await statuses(userId, rowless.token)).toEqual([401, 401]);
      // Django, which asks nobody but the tables, refuses it as well.
      const closed = () =>
        query(
          database.url,
          `SELECT FROM token_blacklist_outstandingtoken o JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
            WHERE o.jti = $1`,
          [decodeToken(successor).claims['jti']],
        );
      await expect.poll(async () => (await closed()).length, { timeout: 30_000 }).toBe(1);
      await sleep(TRUST_MS);
    },
  );
});

describe.skipIf(!available)('revoke --issued-before now, where an instance has not heard of it yet', () => {
  const world = rotationWorld({ notify: true });
  let redis: RedisServer;
  let deaf: Instance;
  let hear: () => void = () => undefined;
  let silentFromMs = Infinity;
  beforeAll(async () => {
    redis = await startRedis();
    // As a real one does it is relied on for a second after its last beat, whatever has come to be since.
    const feed: ChangeFeed = {
      get alive() {
        return performance.now() < silentFromMs;
      },
      subscribe(listener) {
        hear = () => listener.onAlive();
      },
    };
    deaf = await world.start({ shared: { port: redis.port, blacklist: 'auto', feed } });
    await sleep(TRUST_MS);
  });
  afterAll(() => redis.stop());

  it('leaves nothing of a session that went on in Redis meanwhile, over the turn of a second', async () => {
    const login = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 5 });
    let tip = rotated(await deaf.service.refresh(login.token)).refresh;
    const markedAt = async () =>
      (
        await world.sql<{ ms: number }>(
          `SELECT (extract(epoch FROM at) * 1000)::float8 AS ms FROM carelink.revoked_before WHERE user_key = ''`,
        )
      )[0]?.ms;
    // Rows that expire sooner go first, and one at a time: the session's own is reached a second later, or more.
    for (let n = 0; n < 15; n++) await world.login({ lifetimeSeconds: 3_600 });
    const slowly = ['--batch-size', '1', '--nice', '20'];
    const ended = run(['revoke', '--database-url', world.url, '--yes', '--issued-before', 'now', ...slowly], {
      CARELINK_SIGNING_KEY: TEST_SIGNING_KEY,
    });
    while ((await markedAt()) === undefined) tip = rotated(await deaf.service.refresh(tip)).refresh;
    silentFromMs = performance.now() + UNHEARD_MS;
    const giveUpMs = performance.now() + 2 * UNHEARD_MS;
    let outcome = await deaf.service.refresh(tip);
    while (outcome.kind === 'rotated' && performance.now() < giveUpMs) {
      tip = outcome.refresh;
      await sleep(20);
      outcome = await deaf.service.refresh(tip);
    }
    silentFromMs = Infinity;
    hear();
    expect((await ended).code).toBe(0);
    await sleep(HOLDS_AFTER_MS);
    expect((await deaf.service.refresh(tip)).kind).toBe('blacklisted');
    const [left] = await world.sql<{ live: number }>(
      `SELECT count(*)::int AS live FROM token_blacklist_outstandingtoken o
        WHERE expires_at > now()
          AND NOT EXISTS (SELECT FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)`,
    );
    expect(left!.live).toBe(0);
  });
});

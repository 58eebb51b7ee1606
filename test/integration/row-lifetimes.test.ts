/** A row lives as long as its token: whatever meets the two puts the row's date off, and nothing else is touched. */
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Claim } from '../../src/rotation/ports.js';
import { readRowDates } from '../../src/store/row-dates.js';
import { readSchema } from '../../src/store/schema.js';
import { PgTokenStore } from '../../src/store/token-store.js';
import { PgWriteBehind } from '../../src/store/write-behind.js';
import { ObservedDatabaseClock } from '../../src/store/database-clock.js';
import { testDatabase } from '../support/database.js';
import { createUsers, query } from '../support/postgres.js';
import { rotationWorld } from '../support/rotation-world.js';
import type { Instance } from '../support/rotation.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh, type MintedToken } from '../support/tokens.js';

const HOUR_SECONDS = 3_600;
const monotonicMs = (): number => performance.now();
const OPTIONS = {
  userCheck: 'auto',
  userTable: undefined,
  userIdColumn: 'id',
  userActiveColumn: 'is_active',
} as const;

describe.skipIf(services().postgres === undefined)('rows and the tokens that outlive them', () => {
  const world = rotationWorld();
  let instance: Instance;
  beforeAll(async () => void (instance = await world.start()));

  const rowOf = async (jti: string) => {
    const [row] = await world.sql<{ exp: number; version: string }>(
      `SELECT extract(epoch FROM expires_at)::int AS exp, xmin::text || ctid::text AS version
         FROM token_blacklist_outstandingtoken WHERE jti = $1`,
      [jti],
    );
    return row;
  };
  /** Its row says that it ends in an hour, it lives for a day: what `for_user` made, and `set_exp` changed. */
  const lengthened = async (more: Parameters<typeof mintRefresh>[0] = {}): Promise<MintedToken> => {
    const { jti, userId, iatSeconds } = await world.login({ lifetimeSeconds: HOUR_SECONDS, ...more });
    return mintRefresh({ ...more, jti, userId, iatSeconds, lifetimeSeconds: 24 * HOUR_SECONDS });
  };

  it('a claim and a log-out put the date of a row off, and do not touch one that says enough', async () => {
    const spent = await lengthened();
    expect((await instance.service.refresh(spent.token)).kind).toBe('rotated');
    expect((await rowOf(spent.jti))!.exp).toBe(spent.expSeconds);
    const ended = await lengthened();
    expect((await instance.service.logout(ended.token)).kind).toBe('logged_out');
    expect((await rowOf(ended.jti))!.exp).toBe(ended.expSeconds);

    const usual = await world.login();
    const before = await rowOf(usual.jti);
    expect((await instance.service.refresh(usual.token)).kind).toBe('rotated');
    expect(await rowOf(usual.jti)).toEqual(before);
  });

  it('of a successor whose row is known, too, where a project signed it anew for longer', async () => {
    const login = await world.login();
    const outcome = await instance.service.refresh(login.token);
    if (outcome.kind !== 'rotated') throw new Error(outcome.kind);
    const { jti, userId } = claimsOf(outcome.refresh);
    const longer = mintRefresh({ jti, userId, lifetimeSeconds: 100 * HOUR_SECONDS });
    expect((await instance.service.refresh(longer.token)).kind).toBe('rotated');
    expect(instance.statements.get('claim')).toBeGreaterThan(0);
    expect((await rowOf(jti))!.exp).toBe(longer.expSeconds);
  });

  it('a token that Django blacklisted by its row is kept out for as long as it lives, once it is presented here', async () => {
    const djangoEnds = (jti: string) =>
      world.sql(
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
        [jti],
      );
    const refreshed = await lengthened();
    await djangoEnds(refreshed.jti);
    expect((await instance.service.refresh(refreshed.token)).kind).toBe('blacklisted');
    expect((await rowOf(refreshed.jti))!.exp).toBe(refreshed.expSeconds);

    const verified = await lengthened();
    await djangoEnds(verified.jti);
    expect((await instance.service.verify(verified.token)).kind).toBe('blacklisted');
    expect((await rowOf(verified.jti))!.exp).toBe(verified.expSeconds);

    const refreshExp = Math.floor(Date.now() / 1000) + 48 * HOUR_SECONDS;
    const sliding = await world.login({ tokenType: 'sliding', claims: { refresh_exp: refreshExp } });
    const before = await rowOf(sliding.jti);
    expect((await instance.service.slide(sliding.token)).kind).toBe('slid');
    expect(await rowOf(sliding.jti)).toEqual(before);
    await djangoEnds(sliding.jti);
    expect((await instance.service.slide(sliding.token)).kind).toBe('blacklisted');
    expect((await rowOf(sliding.jti))!.exp).toBe(refreshExp);
  });

  const parts = async (role?: string) => {
    const url = new URL(world.url);
    if (role !== undefined) url.username = role;
    const database = testDatabase(url.href, { size: 2 });
    onTestFinished(() => database.end());
    return { database, schema: await readSchema(database, OPTIONS) };
  };
  const claimOf = (token: MintedToken): Claim => ({
    jti: token.jti,
    rowId: undefined,
    token: token.token,
    userKey: String(token.userId),
    issuedAtSeconds: token.iatSeconds,
    expiresAtSeconds: token.expSeconds,
    claimedAtUs: (Date.now() - 1_000) * 1_000,
    successor: { jti: randomBytes(16).toString('hex'), token: 'next', expiresAtSeconds: token.expSeconds },
  });

  it('a claim that is written behind does the same, and dates rows as the site does', async () => {
    const { database, schema } = await parts();
    const dates = {
      marginSeconds: 6 * HOUR_SECONDS,
      extraSeconds: 0,
      lateSeconds: 0,
      zoneSeconds: 5 * HOUR_SECONDS,
    };
    const writer = new PgWriteBehind({
      database,
      schema,
      dates: () => dates,
      maxQueued: 100,
      monotonicMs,
      random: Math.random,
      onBatch: () => undefined,
    });
    const [found, rowless] = [
      await lengthened(),
      mintRefresh({ userId: (await createUsers(world.url, 1))[0]! }),
    ];
    for (const token of [found, rowless]) {
      const claim = claimOf(token);
      expect(await writer.write(claim, monotonicMs() + 60_000)).toMatchObject({ kind: 'written' });
      expect((await rowOf(token.jti))!.exp).toBe(token.expSeconds + 6 * HOUR_SECONDS);
      expect((await rowOf(claim.successor.jti))!.exp).toBe(token.expSeconds + 6 * HOUR_SECONDS);
    }
  });

  it('a role that may not update goes on refreshing: no row is put off', async () => {
    const role = `keeper_${randomBytes(4).toString('hex')}`;
    await query(world.url, `CREATE ROLE ${role} LOGIN`);
    onTestFinished(() => query(world.url, `DROP OWNED BY ${role}; DROP ROLE ${role}`).then(() => undefined));
    await query(
      world.url,
      `GRANT USAGE ON SCHEMA carelink TO ${role};
       GRANT SELECT, INSERT ON token_blacklist_outstandingtoken, token_blacklist_blacklistedtoken TO ${role};
       GRANT SELECT ON auth_user, carelink.revoked_before TO ${role}`,
    );
    const { database, schema } = await parts(role);
    expect(schema.mayKeep).toBe(false);
    const store = new PgTokenStore({
      database,
      schema,
      clock: new ObservedDatabaseClock(monotonicMs, Date.now()),
      lanes: 1,
      monotonicMs,
      random: Math.random,
      onBatch: () => undefined,
    });
    const token = await lengthened();
    expect(await store.claim(claimOf(token), monotonicMs() + 60_000)).toMatchObject({ kind: 'won' });
    expect((await rowOf(token.jti))!.exp).toBe(token.iatSeconds + HOUR_SECONDS);
  });

  describe('how a site dates its rows', () => {
    const empty = rotationWorld();
    const measure = async () => {
      const database = testDatabase(empty.url, { size: 1 });
      onTestFinished(() => database.end());
      const schema = await readSchema(database, OPTIONS);
      return readRowDates((text, values = []) => database.query('health', { text, values }), schema);
    };
    const shift = (seconds: number, jtis: readonly string[], columns = ['expires_at', 'created_at']) =>
      empty.sql(
        `UPDATE token_blacklist_outstandingtoken
            SET ${columns.map((column) => `${column} = ${column} + $1 * interval '1 second'`).join(', ')}
          WHERE jti = ANY ($2)`,
        [seconds, jtis],
      );
    const logIns = async (count: number) => {
      const [userId] = await createUsers(empty.url, 1);
      const tokens = Array.from({ length: count }, () => mintRefresh({ userId: userId! }));
      await insertOutstanding(empty.url, tokens);
      return tokens.map(({ jti }) => jti);
    };

    it('is measured from its rows: nothing on an ordinary site, and none where there are none', async () => {
      await empty.sql('TRUNCATE token_blacklist_outstandingtoken CASCADE');
      expect(await measure()).toBeUndefined();
      await logIns(20);
      expect(await measure()).toEqual({
        marginSeconds: 0,
        extraSeconds: 0,
        lateSeconds: 0,
        zoneSeconds: undefined,
      });
    });

    it('west of UTC: the zone, and an hour for summer time; known from our own rows as well, and no more each time', async () => {
      await empty.sql('TRUNCATE token_blacklist_outstandingtoken CASCADE');
      await shift(5 * HOUR_SECONDS, await logIns(3));
      expect(await measure()).toMatchObject({
        marginSeconds: 6 * HOUR_SECONDS,
        zoneSeconds: 5 * HOUR_SECONDS,
      });
      await empty.sql('TRUNCATE token_blacklist_outstandingtoken CASCADE');
      await shift(6 * HOUR_SECONDS, await logIns(300), ['expires_at']);
      expect(await measure()).toMatchObject({ marginSeconds: 6 * HOUR_SECONDS, zoneSeconds: undefined });
    });

    it('east of UTC: no margin, but tokens that outlive their rows', async () => {
      await empty.sql('TRUNCATE token_blacklist_outstandingtoken CASCADE');
      await shift(-9 * HOUR_SECONDS, await logIns(3));
      expect(await measure()).toEqual({
        marginSeconds: 0,
        extraSeconds: 0,
        lateSeconds: 9 * HOUR_SECONDS,
        zoneSeconds: -9 * HOUR_SECONDS,
      });
    });

    it('tokens that were lengthened: as rows that were put off show, 90 days at most, and no margin', async () => {
      await empty.sql('TRUNCATE token_blacklist_outstandingtoken CASCADE');
      const [far, ...others] = await logIns(500);
      const end = (jtis: readonly string[]) =>
        empty.sql(
          `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
           SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = ANY ($1)`,
          [jtis],
        );
      await end([far!, others[0]!]);
      await shift(30 * 24 * HOUR_SECONDS, [far!], ['expires_at']);
      expect(await measure()).toMatchObject({ marginSeconds: 0, extraSeconds: 30 * 24 * HOUR_SECONDS });
      await shift(3_000 * 24 * HOUR_SECONDS, [others[0]!], ['expires_at']);
      expect(await measure()).toMatchObject({ marginSeconds: 0, extraSeconds: 90 * 24 * HOUR_SECONDS });
    });
  });
});

function claimsOf(token: string): { jti: string; userId: number } {
  const payload = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as {
    jti: string;
    user_id: number;
  };
  return { jti: payload.jti, userId: payload.user_id };
}

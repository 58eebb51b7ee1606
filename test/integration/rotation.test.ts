import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import type { RefreshOutcome } from '../../src/rotation/outcomes.js';
import { createUsers, type FreshDatabase, openClient } from '../support/postgres.js';
import { refreshUntilAnswered } from '../support/rotation-world.js';
import { startInstance, type Instance, type InstanceOptions } from '../support/rotation.js';
import { services } from '../support/services.js';
import { decodeToken, mintRefresh, type MintOptions, type MintedToken } from '../support/tokens.js';

describe.skipIf(services().postgres === undefined)('rotation on a real PostgreSQL', () => {
  let database: FreshDatabase;
  /** One pool for all that the tests look at: a connection for each look would take most of their time. */
  let pool: pg.Pool;
  let userIds: (number | string)[];
  const open: Instance[] = [];

  beforeAll(async () => {
    database = await migratedDatabase();
    userIds = await createUsers(database.url, 50);
    pool = new pg.Pool({ connectionString: database.url, max: 4 });
    // DROP DATABASE may end a connection that is just being closed.
    pool.on('connect', (client) => client.on('error', () => undefined));
    // The pool passes on what happens to its idle connections; who drops the database ends them.
    pool.on('error', () => undefined);
  });
  afterAll(async () => {
    await Promise.all(open.map((instance) => instance.close()));
    await pool.end();
    await database.drop();
  });

  const start = async (options?: InstanceOptions): Promise<Instance> => {
    const instance = await startInstance(database.url, options);
    open.push(instance);
    return instance;
  };
  /** A token with its row, of a user of its own unless one is given. */
  const login = async (options: MintOptions = {}): Promise<MintedToken> => {
    const userId = options.userId ?? (await newUser());
    const token = mintRefresh({ userId, ...options });
    await query(
      `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
       VALUES ($1, to_timestamp($2), to_timestamp($3), $4, $5)`,
      [token.token, token.iatSeconds, token.expSeconds, userId, token.jti],
    );
    return token;
  };
  const newUser = async (): Promise<number> =>
    (await query<{ id: number }>('INSERT INTO auth_user (is_active) VALUES (true) RETURNING id'))[0]!.id;
  const query = async <Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]> =>
    (await pool.query<Row>(text, values)).rows;
  const rows = (jti: string) =>
    query<{
      id: string;
      created_us: string;
      blacklisted_us: string | null;
      user_id: number;
      token: string;
      expires: number;
    }>(
      `SELECT o.id, o.token, o.user_id, extract(epoch FROM o.expires_at)::int AS expires,
              (extract(epoch FROM o.created_at) * 1000000)::bigint AS created_us,
              (extract(epoch FROM b.blacklisted_at) * 1000000)::bigint AS blacklisted_us
         FROM token_blacklist_outstandingtoken o
         LEFT JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
        WHERE o.jti = $1`,
      [jti],
    );
  const rotated = (outcome: RefreshOutcome) => {
    if (outcome.kind !== 'rotated') throw new Error(`expected a rotation, got ${outcome.kind}`);
    return { ...outcome, jti: decodeToken(outcome.refresh).claims['jti'] as string };
  };

  describe('a rotation', () => {
    it('spends the old token and records its successor, marked with one time to the microsecond', async () => {
      const { service } = await start();
      const old = await login({ claims: { role: 'nurse' } });
      const pair = rotated(await service.refresh(old.token));
      const [oldRow] = await rows(old.jti);
      const [newRow] = await rows(pair.jti);
      expect(oldRow?.blacklisted_us).toBe(String(pair.claimedAtUs));
      expect(newRow?.created_us).toBe(oldRow?.blacklisted_us);
      expect(newRow?.token).toBe(pair.refresh);
      expect(newRow?.user_id).toBe(old.userId);
      const { claims } = decodeToken(pair.refresh);
      expect(newRow?.expires).toBe(claims['exp']);
      expect(Object.keys(claims)).toEqual(['token_type', 'exp', 'iat', 'jti', 'user_id', 'role']);
      expect(claims).toMatchObject({
        iat: Math.floor(pair.claimedAtUs / 1e6),
        role: 'nurse',
        user_id: old.userId,
      });
      expect(decodeToken(pair.access).claims).toMatchObject({
        token_type: 'access',
        exp: Math.floor(pair.claimedAtUs / 1e6) + 900,
        user_id: old.userId,
        role: 'nurse',
      });
    });

    it('is one statement for a token whose row is known, one for a token whose row is not', async () => {
      const { service, statements } = await start();
      const old = await login();
      const first = rotated(await service.refresh(old.token));
      expect(statements.get('claim')).toBe(1);
      rotated(await service.refresh(first.refresh));
      expect(statements.get('claim')).toBe(2);
    });

    it('accepts a signed token without a row, and records both', async () => {
      const { service } = await start();
      const old = mintRefresh({ userId: userIds[0]! });
      const pair = rotated(await service.refresh(old.token));
      expect(await rows(old.jti)).toMatchObject([
        { blacklisted_us: String(pair.claimedAtUs), user_id: userIds[0] },
      ]);
      expect((await service.refresh(old.token)).kind).toBe('blacklisted');
    });

    it('joins on id and jti: a row whose id was used again after a restore is not spent', async () => {
      const { service } = await start();
      const first = rotated(await service.refresh((await login()).token));
      const [known] = await rows(first.jti);
      // The restore: the row is gone, and its id belongs to somebody else's token.
      await query(`DELETE FROM token_blacklist_outstandingtoken WHERE id = $1`, [known!.id]);
      const other = mintRefresh({ userId: userIds[1]! });
      await query(
        `INSERT INTO token_blacklist_outstandingtoken (id, token, created_at, expires_at, user_id, jti)
         VALUES ($1, $2, now(), now() + interval '1 hour', $3, $4)`,
        [known!.id, other.token, userIds[1], other.jti],
      );
      rotated(await service.refresh(first.refresh));
      expect(await rows(other.jti)).toMatchObject([{ blacklisted_us: null }]);
    });

    it('never has its iat ahead of the database clock', async () => {
      const { service } = await start();
      let { token } = await login();
      for (let step = 0; step < 50; step++) {
        const pair = rotated(await service.refresh(token));
        const [clock] = await query<{ us: string }>(
          'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us',
        );
        expect(pair.claimedAtUs).toBeLessThan(Number(clock!.us));
        token = pair.refresh;
      }
    });
  });

  describe('a race', () => {
    it('has one winner in every round, over four instances and with a cold or warm cache', async () => {
      const fleet = await Promise.all([start(), start(), start(), start()]);
      for (let round = 0; round < 25; round++) {
        const { token } = await login({ userId: userIds[round % 50]! });
        const outcomes = await Promise.all(
          Array.from({ length: 32 }, (_, index) => fleet[index % 4]!.service.refresh(token)),
        );
        const kinds = outcomes.map((outcome) => outcome.kind);
        expect(kinds.filter((kind) => kind === 'rotated')).toHaveLength(1);
        expect(
          kinds.filter((kind) => kind !== 'rotated' && kind !== 'in_progress' && kind !== 'blacklisted'),
        ).toEqual([]);
      }
    });

    it('inside a grace gives all of them the same pair', async () => {
      const fleet = await Promise.all([1, 2, 3, 4].map(() => start({ graceUs: 10_000_000 })));
      for (let round = 0; round < 10; round++) {
        const { token } = await login();
        const outcomes = await Promise.all(
          Array.from({ length: 32 }, (_, index) => fleet[index % 4]!.service.refresh(token)),
        );
        const pairs = new Set(
          outcomes.map((outcome) =>
            outcome.kind === 'rotated' ? outcome.refresh + outcome.access : outcome.kind,
          ),
        );
        expect(pairs.size).toBe(1);
      }
    });
  });

  describe('a claim whose answer got lost', () => {
    it('is recognised by its marker when it is sent again', async () => {
      const { service, faults } = await start();
      const old = await login();
      faults.push({ purpose: 'claim', what: 'answer_lost' });
      const pair = rotated(await service.refresh(old.token));
      expect(await rows(old.jti)).toMatchObject([{ blacklisted_us: String(pair.claimedAtUs) }]);
    });

    it('that ends as unavailable is resumed by the next presentation, at grace 0 too, and only once its rows say so', async () => {
      const { service, faults, events } = await start({ requestTimeoutMs: 300 });
      const old = await login();
      for (let n = 0; n < 50; n++)
        faults.push({ purpose: 'claim', what: n === 0 ? 'answer_lost' : 'not_sent' });
      expect(await service.refresh(old.token)).toMatchObject({ kind: 'unavailable' });
      expect(events).toContainEqual({ kind: 'claim_in_doubt', resolved: false });
      faults.length = 0;
      const pair = rotated(await refreshUntilAnswered(service, old.token));
      expect(pair.replayed).toBe(true);
      expect(events).toContainEqual({ kind: 'claim_in_doubt', resolved: true });
      expect(await rows(old.jti)).toMatchObject([{ blacklisted_us: String(pair.claimedAtUs) }]);
      expect((await service.refresh(old.token)).kind).toBe('blacklisted');
      rotated(await service.refresh(pair.refresh));
    });

    it('that was never sent leaves the token unspent', async () => {
      const { service, faults } = await start({ requestTimeoutMs: 200 });
      const old = await login();
      for (let n = 0; n < 50; n++) faults.push({ purpose: 'claim', what: 'not_sent' });
      expect(await service.refresh(old.token)).toMatchObject({ kind: 'unavailable' });
      expect(await rows(old.jti)).toMatchObject([{ blacklisted_us: null }]);
    });
  });

  describe('one row that somebody holds locked', () => {
    it('holds up nobody but itself', async () => {
      const { service } = await start();
      const tokens = await Promise.all(userIds.map((userId) => login({ userId })));
      const [held] = tokens;
      const holder = await holdBlacklistInsert(database.url, held!.jti);
      const waiting = service.refresh(held!.token);
      const others = await Promise.all(tokens.slice(1).map(({ token }) => service.refresh(token)));
      expect(others.map((outcome) => outcome.kind)).toEqual(others.map(() => 'rotated'));
      await holder.commit();
      expect(['blacklisted', 'in_progress']).toContain((await waiting).kind);
    });

    it('and gives it up in the end leaves the token to be claimed', async () => {
      const { service } = await start();
      const old = await login();
      const holder = await holdBlacklistInsert(database.url, old.jti);
      const waiting = service.refresh(old.token);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await holder.rollback();
      rotated(await waiting);
    });
  });

  describe('a user that is gone', () => {
    it('is refused, with the check on and off, and fails nobody who shares the statement', async () => {
      const checked = await start();
      const unchecked = await start({ userCheck: 'off' });
      for (const { service } of [checked, unchecked]) {
        const gone = mintRefresh({ userId: 2_000_000_000 });
        const others = await Promise.all(userIds.slice(0, 20).map((userId) => login({ userId })));
        const [first, ...rest] = await Promise.all(
          [gone, ...others].map(({ token }) => service.refresh(token)),
        );
        expect(first).toEqual({ kind: 'inactive' });
        expect(rest.map((outcome) => outcome.kind)).toEqual(rest.map(() => 'rotated'));
        expect(await rows(gone.jti)).toEqual([]);
      }
    });

    it('is looked for once, not in every batch of the next minute', async () => {
      const { service, statements } = await start({ userCheck: 'off' });
      const gone = mintRefresh({ userId: 2_000_000_001 });
      await service.refresh(gone.token);
      const before = statements.get('claim');
      expect(await service.refresh(gone.token)).toEqual({ kind: 'inactive' });
      expect(statements.get('claim')).toBe(before);
    });

    it('or deactivated keeps the token unspent', async () => {
      const { service } = await start();
      const old = await login();
      await query('UPDATE auth_user SET is_active = false WHERE id = $1', [old.userId]);
      expect(await service.refresh(old.token)).toEqual({ kind: 'inactive' });
      expect(await rows(old.jti)).toMatchObject([{ blacklisted_us: null }]);
    });

    it('and whose tokens are revoked as well is told of that first, by a claim as by all else', async () => {
      const { service } = await start();
      const old = await login();
      const sliding = mintRefresh({
        userId: old.userId,
        tokenType: 'sliding',
        claims: { refresh_exp: old.expSeconds },
      });
      await query(
        `WITH gone AS (UPDATE auth_user SET is_active = false WHERE id = $1::int)
         INSERT INTO carelink.revoked_before (user_key, at) SELECT $1::int::text, clock_timestamp() + interval '1 s'`,
        [old.userId],
      );
      expect(await service.refresh(old.token)).toEqual({ kind: 'blacklisted' });
      expect(await service.slide(sliding.token)).toEqual({ kind: 'blacklisted' });
      expect(await service.verify(old.token)).toEqual({ kind: 'blacklisted' });
      expect(await rows(old.jti)).toMatchObject([{ blacklisted_us: null }]);
    });

    it('whose id does not fit the column is refused before anything is sent', async () => {
      const { service, statements } = await start();
      for (const userId of ['x', '99999999999999999999', '1; DROP TABLE auth_user']) {
        expect(await service.refresh(mintRefresh({ userId }).token)).toMatchObject({ kind: 'invalid' });
      }
      expect(statements.get('claim')).toBeUndefined();
    });
  });

  describe('reuse', () => {
    const age = (jti: string, seconds: number) =>
      query(
        `WITH old AS (SELECT id FROM token_blacklist_outstandingtoken WHERE jti = $1),
              spent AS (UPDATE token_blacklist_blacklistedtoken SET blacklisted_at = blacklisted_at - $2 * interval '1 s'
                         WHERE token_id = (SELECT id FROM old) RETURNING blacklisted_at + $2 * interval '1 s' AS was)
         UPDATE token_blacklist_outstandingtoken SET created_at = created_at - $2 * interval '1 s'
          WHERE created_at = (SELECT was FROM spent)`,
        [jti, seconds],
      );

    it('is counted when it comes late, and only refused where nothing else was asked for', async () => {
      const { service, events } = await start();
      const old = await login();
      const next = rotated(await service.refresh(old.token));
      await age(old.jti, 60);
      expect(await service.refresh(old.token)).toEqual({ kind: 'blacklisted' });
      expect(events.filter((event) => event.kind === 'reuse')).toMatchObject([{ reuse: 'late' }]);
      rotated(await service.refresh(next.refresh));
    });

    it('revokes the family to its tip, however long, when asked to', async () => {
      const { service, events } = await start({ onReuse: 'revoke-family' });
      const old = await login();
      let tip = rotated(await service.refresh(old.token));
      for (let n = 0; n < 150; n++) tip = rotated(await service.refresh(tip.refresh));
      await age(old.jti, 60);
      expect(await service.refresh(old.token)).toEqual({ kind: 'blacklisted' });
      expect(events).toContainEqual({ kind: 'revocation', cause: 'reuse', end: 'tip', rows: 1 });
      expect((await service.refresh(tip.refresh)).kind).toBe('blacklisted');
    });

    it('revokes all of the user when asked to, tokens without a row included, and lets a new login in', async () => {
      const { service } = await start({ onReuse: 'revoke-user' });
      const old = await login();
      const { userId } = old;
      await service.refresh(old.token);
      const other = await login({ userId });
      const rowless = mintRefresh({ userId, iatSeconds: other.iatSeconds - 5 });
      await age(old.jti, 60);
      expect(await service.refresh(old.token)).toEqual({ kind: 'blacklisted' });
      expect((await service.refresh(other.token)).kind).toBe('blacklisted');
      expect((await service.refresh(rowless.token)).kind).toBe('blacklisted');
      expect((await service.verify(rowless.token)).kind).toBe('blacklisted');
      await new Promise((resolve) => setTimeout(resolve, 1100));
      rotated(await service.refresh((await login({ userId })).token));
    });

    it('is a claim that wins a token whose successor stands already', async () => {
      const { service, events } = await start();
      const old = await login();
      await service.refresh(old.token);
      // A restore, or a clean-up that forgets: the blacklist row is gone, the successor is not.
      await query(
        `DELETE FROM token_blacklist_blacklistedtoken WHERE token_id =
           (SELECT id FROM token_blacklist_outstandingtoken WHERE jti = $1)`,
        [old.jti],
      );
      const fresh = await start();
      expect(await fresh.service.refresh(old.token)).toEqual({ kind: 'blacklisted' });
      expect(fresh.events).toContainEqual({
        kind: 'reuse',
        reuse: 'second_claim',
        userKey: String(old.userId),
      });
      expect(events.filter((event) => event.kind === 'reuse')).toEqual([]);
    });
  });

  describe('a log-out', () => {
    it('of the live token refuses it from then on, on every instance, and is never counted as reuse', async () => {
      const [one, two] = await Promise.all([start(), start({ graceUs: 60_000_000 })]);
      const { token } = await login();
      expect(await one.service.logout(token)).toEqual({ kind: 'logged_out' });
      expect(await one.service.logout(token)).toEqual({ kind: 'blacklisted' });
      expect(await two.service.refresh(token)).toEqual({ kind: 'blacklisted' });
      expect(two.events.filter((event) => event.kind === 'reuse')).toEqual([]);
    });

    it('with a token that was rotated reaches the tip, and ends the replays inside the grace', async () => {
      const { service } = await start({ graceUs: 60_000_000 });
      const old = await login();
      const next = rotated(await service.refresh(old.token));
      expect(await service.logout(old.token)).toEqual({ kind: 'logged_out' });
      expect((await service.refresh(next.refresh)).kind).toBe('blacklisted');
      expect((await service.refresh(old.token)).kind).toBe('blacklisted');
    });

    it('beside refreshes of the same family that never stop leaves no live token', async () => {
      const fleet = await Promise.all([start(), start(), start()]);
      for (let round = 0; round < 20; round++) {
        const first = await login();
        const logout = { answered: false };
        const refreshing = (async () => {
          for (let token = first.token, n = 0; n < 500; n++) {
            const begunAfterLogout = logout.answered;
            const outcome = await fleet[n % 2]!.service.refresh(token);
            if (outcome.kind !== 'rotated') return;
            if (begunAfterLogout) throw new Error('a refresh begun after the log-out had answered succeeded');
            token = outcome.refresh;
          }
        })();
        await new Promise((resolve) => setTimeout(resolve, round));
        expect(await fleet[2].service.logout(first.token)).toEqual({ kind: 'logged_out' });
        logout.answered = true;
        await refreshing;
        const [live] = await query<{ n: number }>(
          `SELECT count(*)::int AS n
             FROM token_blacklist_outstandingtoken o
            WHERE o.user_id = $1
              AND NOT EXISTS (SELECT 1 FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)`,
          [first.userId],
        );
        expect(live).toEqual({ n: 0 });
      }
    });

    it('follows a family across a change of the chain key', async () => {
      const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
      const before = await start({ chainKeys: [oldKey] });
      const after = await start({ chainKeys: [newKey, oldKey] });
      const first = await login();
      const second = rotated(await before.service.refresh(first.token));
      const third = rotated(await before.service.refresh(second.refresh));
      const fourth = rotated(await after.service.refresh(third.refresh));
      expect(await after.service.logout(first.token)).toEqual({ kind: 'logged_out' });
      expect((await after.service.refresh(fourth.refresh)).kind).toBe('blacklisted');
    });
  });
});

/** Django in the middle of blacklisting a token: its INSERT is done, its transaction is open. */
async function holdBlacklistInsert(
  url: string,
  jti: string,
): Promise<{ commit(): Promise<void>; rollback(): Promise<void> }> {
  const client = await openClient(url);
  await client.query('BEGIN');
  await client.query(
    `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
     SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
    [jti],
  );
  const end = async (how: string) => {
    await client.query(how);
    await client.end();
  };
  return { commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') };
}

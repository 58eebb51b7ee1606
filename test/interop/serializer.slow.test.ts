import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDjango, type Django } from '../support/django.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';
import { blacklist, BLACKLISTED, pairOf, refresh } from './api.js';
import { distribution, race, sum, type Round } from './race.js';

/** Stock Django has several winners in nearly every one of them. */
const ROUNDS = 8;
const THREADS = 16;

describe.skipIf(!services().postgres || !services().django)(
  'Django with the serializer of docs/django',
  () => {
    let database: FreshDatabase;
    let django: Django;
    let user: string;

    beforeAll(async () => {
      database = await freshDatabase();
      django = await startDjango({ database: database.url, serializer: 'single-use', threads: THREADS });
      user = await django.makeUser();
    });
    afterAll(async () => {
      await django.stop();
      await database.drop();
    });

    test('of many simultaneous refreshes of one token exactly one wins, in every round', async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const { statuses } = await race([django.url], THREADS, (await django.mint(user)).refresh);
        expect(statuses.filter((status) => status === 200)).toHaveLength(1);
        expect(statuses.filter((status) => status === 401)).toHaveLength(THREADS - 1);
      }
    });

    test('the same holds for a token that has no row yet', async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const { refresh: token } = await django.mint(user);
        await query(database.url, 'DELETE FROM token_blacklist_outstandingtoken WHERE token = $1', [token]);
        expect((await race([django.url], THREADS, token)).winners).toEqual([1]);
      }
    });

    test('the same holds where each request is a transaction', async () => {
      const atomic = await startDjango({
        database: database.url,
        serializer: 'single-use',
        threads: THREADS,
        env: { DJANGO_ATOMIC_REQUESTS: '1' },
      });
      try {
        for (let round = 0; round < ROUNDS; round++) {
          const { statuses } = await race([atomic.url], THREADS, (await atomic.mint(user)).refresh);
          expect(statuses.filter((status) => status === 200)).toHaveLength(1);
          expect(statuses.filter((status) => status === 401)).toHaveLength(THREADS - 1);
        }
      } finally {
        await atomic.stop();
      }
    });

    test('a spent token is refused as blacklisted, its successor goes on', async () => {
      const { refresh: token } = await django.mint(user);
      const successor = pairOf(await refresh(django.url, token)).refresh;
      expect(await refresh(django.url, token)).toMatchObject({ status: 401, body: BLACKLISTED });
      expect((await refresh(django.url, successor)).status).toBe(200);
    });

    test('flushexpiredtokens brings no token back that outlives its row, whether it was spent or logged out', async () => {
      const exp = Math.floor(Date.now() / 1000) + 86_400;
      const [spent, ended] = [await django.mint(user, { exp }), await django.mint(user, { exp })];
      const jtis = [spent, ended].map((pair) => decodeToken(pair.refresh).claims['jti']);
      await query(
        database.url,
        "UPDATE token_blacklist_outstandingtoken SET expires_at = now() - interval '1 day' WHERE jti = ANY ($1)",
        [jtis],
      );
      expect((await refresh(django.url, spent.refresh)).status).toBe(200);
      expect((await blacklist(django.url, ended.refresh)).status).toBe(200);
      await django.manage('flushexpiredtokens');
      for (const { refresh: token } of [spent, ended]) {
        expect(await refresh(django.url, token)).toMatchObject({ status: 401, body: BLACKLISTED });
      }
    });

    test('a successor has a row of its user, so that a log-out everywhere finds it', async () => {
      const { refresh: token } = pairOf(await refresh(django.url, (await django.mint(user)).refresh));
      const { jti, exp } = decodeToken(token).claims;
      const rows = await query(
        database.url,
        `SELECT user_id::text, token, created_at IS NOT NULL AS dated,
              extract(epoch FROM expires_at)::bigint::text AS exp
         FROM token_blacklist_outstandingtoken WHERE jti = $1`,
        [jti],
      );
      expect(rows).toEqual([{ user_id: user, token, dated: true, exp: String(exp) }]);
    });

    test('logging out works as before', async () => {
      const { refresh: token } = await django.mint(user);
      expect(await blacklist(django.url, token)).toMatchObject({ status: 200, body: {} });
      expect(await refresh(django.url, token)).toMatchObject({ status: 401, body: BLACKLISTED });
    });

    test('a token of a user who is no more is still refreshed, as stock simplejwt 5.2 does', async () => {
      const nurse = await django.makeUser();
      const { refresh: token } = await django.mint(nurse);
      await django.deleteUser(nurse);
      expect((await refresh(django.url, token)).status).toBe(200);
    });
  },
);

describe.skipIf(!services().postgres || !services().django)('stock Django', () => {
  test('lets at least one of simultaneous refreshes win; how many is printed', async () => {
    const database = await freshDatabase();
    const django = await startDjango({ database: database.url, threads: THREADS });
    try {
      const user = await django.makeUser();
      const rounds: Round[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        rounds.push(await race([django.url], THREADS, (await django.mint(user)).refresh));
      }
      console.log(`stock simplejwt, ${THREADS} at once, winners: ${distribution(rounds)}`);
      expect(rounds.every(({ winners }) => sum(winners) >= 1)).toBe(true);
    } finally {
      await django.stop();
      await database.drop();
    }
  });
});

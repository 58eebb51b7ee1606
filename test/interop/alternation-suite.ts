import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { query } from '../support/postgres.js';
import { until } from '../support/redis.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';
import { blacklist, BLACKLISTED, pairOf, refresh, slide, verify, VERIFY_BLACKLISTED, whoami } from './api.js';
import { heard, startPair, type Mode, type Pair } from './pair.js';

const ready = services().postgres !== undefined && services().django;

export function alternationSuite(modes: readonly Mode[]): void {
  describe.skipIf(!ready).each(modes)(
    'Django and carelink-tokens on one database, $mode',
    ({ async, servers }) => {
      let pair: Pair;
      let user: string;
      /** Both ways: who acts (of several servers each time another), and all those who must know of it. */
      let ways: { readonly actor: string; readonly others: readonly string[] }[];

      beforeAll(async () => {
        pair = await startPair({ async, servers });
        user = await pair.django.makeUser();
        ways = [
          {
            get actor() {
              return pair.url;
            },
            others: [pair.django.url],
          },
          { actor: pair.django.url, others: pair.urls },
        ];
      });
      afterAll(() => pair.close());
      const everywhere = () => [pair.django.url, ...pair.urls];

      test('take turns in rotating a session, 20 times, and each access token authenticates at Django', async () => {
        let { refresh: token } = await pair.django.mint(user, { ward: 'B4', shifts: [1, 2.5, null] });
        for (let turn = 0; turn < 20; turn++) {
          const { access, refresh: next } = pairOf(
            await refresh([pair.url, pair.django.url][turn % 2]!, token),
          );
          expect((await whoami(pair.django.url, access)).body).toEqual({ user_id: user });
          for (const url of everywhere()) expect((await verify(url, access)).body).toEqual({});
          expect(decodeToken(next).claims).toMatchObject({
            ward: 'B4',
            shifts: [1, 2.5, null],
            user_id: Number(user),
          });
          token = next;
        }
      });

      test('a token rotated by one is refused by the other at each endpoint, its successor is not', async () => {
        for (const { actor, others } of ways) {
          const { refresh: spent } = await pair.django.mint(user);
          const successor = pairOf(await refresh(actor, spent)).refresh;
          for (const url of everywhere()) await expectRefused(url, spent);
          for (const other of others) expect((await verify(other, successor)).status).toBe(200);
          expect((await refresh(others.at(-1)!, successor)).status).toBe(200);
        }
      });

      test('logging out with a token that was rotated here reaches its successor; one that Django rotated is blacklisted', async () => {
        const { refresh: first } = await pair.django.mint(user);
        const successor = pairOf(await refresh(pair.url, first)).refresh;
        expect((await blacklist(pair.url, first)).body).toEqual({});
        await expectBlacklisted(pair.url, successor);
        await expectBlacklisted(pair.django.url, successor);
        expect(await blacklist(pair.url, first)).toMatchObject({ status: 401, body: BLACKLISTED });

        const { refresh: rotatedByDjango } = await pair.django.mint(user);
        await refresh(pair.django.url, rotatedByDjango);
        await expectBlacklisted(pair.url, rotatedByDjango);
      });

      test('a token logged out at one is refused by the other at each endpoint', async () => {
        for (const { actor, others } of ways) {
          const { refresh: token } = await pair.django.mint(user);
          // The others have seen it as valid: what they remember of it must not outlive the log-out.
          for (const other of others) expect((await verify(other, token)).status).toBe(200);
          expect((await blacklist(actor, token)).body).toEqual({});
          await heard({ async });
          for (const url of everywhere()) await expectBlacklisted(url, token);
        }
      });

      test('a successor logged out at one is refused by the other, whoever had made it', async () => {
        for (const { actor: maker } of ways) {
          for (const { actor } of ways) {
            const successor = pairOf(await refresh(maker, (await pair.django.mint(user)).refresh)).refresh;
            expect((await blacklist(actor, successor)).body).toEqual({});
            await heard({ async });
            for (const url of everywhere()) await expectBlacklisted(url, successor);
          }
        }
      });

      test("a blacklist row written by Django's ORM for each of a user's tokens ends all sessions made here", async () => {
        const nurse = await pair.django.makeUser();
        const tips = [];
        for (let session = 0; session < 3; session++) {
          const first = pairOf(await refresh(pair.url, (await pair.django.mint(nurse)).refresh)).refresh;
          tips.push(pairOf(await refresh(pair.url, first)).refresh);
        }
        await pair.django.manage(
          'shell',
          '--command',
          `from rest_framework_simplejwt.token_blacklist.models import *
for token in OutstandingToken.objects.filter(user_id=${nurse}):
    BlacklistedToken.objects.get_or_create(token=token)`,
        );
        for (const tip of tips) for (const url of everywhere()) await expectBlacklisted(url, tip);
      });

      if (async)
        test('a token claimed in Redis is refused by Django as soon as its row is written', async () => {
          const first = pairOf(await refresh(pair.url, (await pair.django.mint(user)).refresh)).refresh;
          const second = pairOf(await refresh(pair.url, first)).refresh;
          expect(await pair.claimedInRedis()).toBeGreaterThan(0);
          // Django knows no Redis: until the row is there, half a second at most, it would take the token.
          await until(async () => (await verify(pair.django.url, first)).status === 400);
          for (const url of everywhere()) await expectRefused(url, first);
          expect((await refresh(pair.django.url, second)).status).toBe(200);
          for (const url of pair.urls) await expectRefused(url, second);
        });

      test('the row of a successor made here is the one Django would have written', async () => {
        const { refresh: token } = pairOf(await refresh(pair.url, (await pair.django.mint(user)).refresh));
        const { claims } = decodeToken(token);
        const rows = await query(
          pair.database,
          `SELECT token, user_id::text, extract(epoch FROM expires_at)::bigint::text AS exp,
              extract(epoch FROM date_trunc('second', created_at))::bigint::text AS iat
         FROM token_blacklist_outstandingtoken WHERE jti = $1`,
          [claims['jti']],
        );
        expect(rows).toEqual([
          { token, user_id: user, exp: String(claims['exp']), iat: String(claims['iat']) },
        ]);
      });

      test('take turns in sliding a token, and both refuse it once it is blacklisted', async () => {
        let token = await pair.django.mintSliding(user);
        const { jti, refresh_exp } = decodeToken(token).claims;
        for (let turn = 0; turn < 6; turn++) {
          const reply = await slide([pair.url, pair.django.url][turn % 2]!, token);
          expect(reply.status).toBe(200);
          token = (reply.body as { token: string }).token;
          expect(decodeToken(token).claims).toMatchObject({ token_type: 'sliding', jti, refresh_exp });
        }
        await query(
          pair.database,
          `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
       SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
          [jti],
        );
        for (const other of everywhere()) {
          expect(await slide(other, token)).toMatchObject({ status: 401, body: BLACKLISTED });
          expect(await verify(other, token)).toMatchObject({ status: 400, body: VERIFY_BLACKLISTED });
        }
      });
    },
  );
}

async function expectRefused(url: string, token: string): Promise<void> {
  expect(await refresh(url, token)).toMatchObject({ status: 401, body: BLACKLISTED });
  expect(await verify(url, token)).toMatchObject({ status: 400, body: VERIFY_BLACKLISTED });
}

async function expectBlacklisted(url: string, token: string): Promise<void> {
  await expectRefused(url, token);
  expect(await blacklist(url, token)).toMatchObject({ status: 401, body: BLACKLISTED });
}

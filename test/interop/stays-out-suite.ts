import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../cli/run.js';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { decodeToken, TEST_SIGNING_KEY } from '../support/tokens.js';
import { blacklist, pairOf, refresh, slide } from './api.js';
import { startPair, type Mode, type Pair, type PairOptions } from './pair.js';

const ready = services().postgres !== undefined && services().django;
const DAY_SECONDS = 86_400;
const HOUR_SECONDS = 3_600;

const jtiOf = (token: string) => String(decodeToken(token).claims['jti']);
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

/** A site, an operator's commands on it, and both sides' clean-ups. */
function site(options: PairOptions) {
  let pair: Pair;
  let directory: string;
  beforeAll(async () => {
    pair = await startPair(options);
    directory = mkdtempSync(join(tmpdir(), 'carelink-stays-out-'));
  });
  afterAll(async () => {
    rmSync(directory, { recursive: true });
    await pair.close();
  });
  const command = async (...args: string[]) => {
    const ended = await run([...args, '--database-url', pair.database], {
      CARELINK_SIGNING_KEY: TEST_SIGNING_KEY,
    });
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    return ended;
  };
  const revoke = (...args: string[]) => command('revoke', '--yes', ...args);
  return {
    get pair() {
      return pair;
    },
    revoke,
    revokeFamily: (token: string) => {
      writeFileSync(join(directory, 'token'), token);
      return revoke('--family', join(directory, 'token'));
    },
    cleanUp: () => command('cleanup', '--nice', '0', '--json'),
    flush: () => pair.django.manage('flushexpiredtokens'),
    successorOf: async (token: string, url = pair.url) => pairOf(await refresh(url, token)).refresh,
    statuses: async (token: string) => ({
      here: (await refresh(pair.url, token)).status,
      django: (await refresh(pair.django.url, token)).status,
    }),
    logOut: async (token: string, url = pair.url) => {
      expect((await blacklist(url, token)).status).toBe(200);
    },
    /** When rows say that tokens expire, in seconds from now, by jti. */
    rowsExpireIn: async (tokens: readonly string[]) => {
      const rows = await query<{ jti: string; seconds: number }>(
        pair.database,
        `SELECT jti, extract(epoch FROM expires_at - now())::float8 AS seconds
           FROM token_blacklist_outstandingtoken WHERE jti = ANY ($1)`,
        [tokens.map(jtiOf)],
      );
      return new Map(rows.map((row) => [row.jti, row.seconds]));
    },
  };
}

const REFUSED = { here: 401, django: 401 };

/** Rows of log-ins that expired 8 days ago, of tokens that live for another day: "remember me", a week later. */
export function lengthenedSuite(modes: readonly Mode[]): void {
  describe.skipIf(!ready).each(modes)(
    'tokens that were lengthened after their row was made, $mode',
    (mode) => {
      const of = site({ ...mode, servers: 1, env: { DJANGO_REFRESH_SECONDS: String(-8 * DAY_SECONDS) } });
      const remembered = async (user?: string) =>
        (
          await of.pair.django.mint(user ?? (await of.pair.django.makeUser()), {
            exp: inSeconds(DAY_SECONDS),
          })
        ).refresh;

      test('however one was ended here, no clean-up of either side brings it back', async () => {
        const ended: Record<string, string> = {};
        ended['logged out'] = await remembered();
        await of.logOut(ended['logged out']);

        ended['spent'] = await remembered();
        const tip = await of.successorOf(ended['spent']);
        ended['spent, its tip logged out'] = await remembered();
        await of.logOut(await of.successorOf(ended['spent, its tip logged out']));

        ended['revoke --jti'] = await remembered();
        await of.revoke('--jti', jtiOf(ended['revoke --jti']));
        ended['revoke --family'] = await remembered();
        await of.revokeFamily(ended['revoke --family']);
        const user = await of.pair.django.makeUser();
        ended['revoke --user'] = await remembered(user);
        await of.revoke('--user', user);
        ended['logged out at Django, presented here'] = await remembered();
        await of.logOut(ended['logged out at Django, presented here'], of.pair.django.url);
        expect((await refresh(of.pair.url, ended['logged out at Django, presented here'])).status).toBe(401);
        // Nothing was presented of this one: what is known of it is what the others showed.
        ended['logged out at Django alone'] = await remembered();
        await of.logOut(ended['logged out at Django alone'], of.pair.django.url);
        const left = await remembered();

        // As a clean-up does, once the successor's own time is over.
        await query(of.pair.database, 'DELETE FROM token_blacklist_outstandingtoken WHERE jti = $1', [
          jtiOf(tip),
        ]);
        await of.cleanUp();
        for (const [how, token] of Object.entries(ended)) {
          expect(await of.statuses(token), `${how}, then cleaned up here`).toEqual(REFUSED);
        }
        // Django flushes by its rows' own dates, whatever of it we know: only what it ended alone is lost to it.
        delete ended['logged out at Django alone'];
        await of.flush();
        for (const [how, token] of Object.entries(ended)) {
          expect(await of.statuses(token), `${how}, then flushed by Django`).toEqual(REFUSED);
        }
        expect((await refresh(of.pair.url, left)).status).toBe(200);
      });

      test('revoke --issued-before now ends them at Django, too, and neither clean-up brings them back', async () => {
        const held = await remembered();
        await of.revoke('--issued-before', 'now');
        expect(await of.statuses(held)).toEqual(REFUSED);
        await of.cleanUp();
        await of.flush();
        expect(await of.statuses(held)).toEqual(REFUSED);
      });
    },
  );
}

/** Sliding tokens: a row says when the first access ends, the token may be refreshed for longer. */
export function slidingSuite(): void {
  describe.skipIf(!ready)('sliding tokens whose first access time is over', () => {
    const of = site({
      env: { DJANGO_SLIDING_SECONDS: '1', DJANGO_SLIDING_REFRESH_SECONDS: String(DAY_SECONDS) },
    });
    const slidTwice = async (user: string) => {
      const first = await of.pair.django.mintSliding(user);
      const reply = await slide(of.pair.url, first);
      expect(reply.status).toBe(200);
      return (reply.body as { token: string }).token;
    };

    test('what was revoked, by jti, by user or for everybody, is refused on both sides after both clean-ups', async () => {
      const [byJti, byUser, everybody] = await Promise.all(
        [1, 2, 3].map(async () => {
          const user = await of.pair.django.makeUser();
          return { user, token: await slidTwice(user) };
        }),
      );
      await query(
        of.pair.database,
        `UPDATE token_blacklist_outstandingtoken SET expires_at = now() - interval '1 second'`,
      );
      await of.revoke('--jti', jtiOf(byJti!.token));
      await of.revoke('--user', byUser!.user);
      const statuses = async (token: string) => ({
        here: (await slide(of.pair.url, token)).status,
        django: (await slide(of.pair.django.url, token)).status,
      });
      for (const { token } of [byJti!, byUser!]) expect(await statuses(token)).toEqual(REFUSED);
      await of.revoke('--issued-before', 'now');
      await of.cleanUp();
      await of.flush();
      for (const { token } of [byJti!, byUser!, everybody!]) expect(await statuses(token)).toEqual(REFUSED);
    });
  });
}

/** USE_TZ=False: Django's rows are off by its zone, and its nightly command compares with a moment that is off as well. */
export function naiveDatesSuite(zones: readonly string[], modes: readonly Mode[]): void {
  const cases = zones.flatMap((zone) => modes.map((mode) => ({ zone, ...mode })));
  describe.skipIf(!ready).each(cases)('a site with USE_TZ = False in $zone, $mode', ({ zone, ...mode }) => {
    // Less than the zone is off: what is dated rightly is flushed at once.
    const lifetime = 3 * HOUR_SECONDS;
    const of = site({
      ...mode,
      servers: 1,
      args: ['--refresh-lifetime', '3h'],
      env: { DJANGO_USE_TZ: '0', DJANGO_TIME_ZONE: zone, DJANGO_REFRESH_SECONDS: String(lifetime) },
    });
    const logIn = async (user?: string) =>
      (await of.pair.django.mint(user ?? (await of.pair.django.makeUser()))).refresh;

    test('however a token was ended, no clean-up of either side brings it back', async () => {
      // Tables without a row tell of no zone: a server asks each second until there is one.
      await logIn();
      await sleep(2_000);
      const user = await of.pair.django.makeUser();
      const held = await of.successorOf(await logIn(user));
      const login = await logIn(user);
      await of.revoke('--user', user);
      const ended: Record<string, string> = { 'revoke --user, ours': held, "revoke --user, Django's": login };

      ended['logged out here'] = await of.successorOf(await logIn());
      await of.logOut(ended['logged out here']);
      ended['logged out at Django'] = await of.successorOf(await logIn());
      await of.logOut(ended['logged out at Django'], of.pair.django.url);
      ended['spent here'] = await of.successorOf(await logIn());
      await of.successorOf(ended['spent here']);
      ended['spent at Django'] = await of.successorOf(await logIn());
      await of.successorOf(ended['spent at Django'], of.pair.django.url);
      // simplejwt 5.2 makes no row of the token that it hands out here: ours is the first.
      ended['without a row, spent here'] = await of.successorOf(await logIn(), of.pair.django.url);
      await of.successorOf(ended['without a row, spent here']);
      ended['without a row, logged out here'] = await of.successorOf(await logIn(), of.pair.django.url);
      await of.logOut(ended['without a row, logged out here']);
      ended['revoke --jti'] = await of.successorOf(await logIn());
      await of.revoke('--jti', jtiOf(ended['revoke --jti']));
      ended['revoke --family'] = await of.successorOf(await logIn(), of.pair.django.url);
      await of.revokeFamily(ended['revoke --family']);
      ended['everybody, ours'] = await of.successorOf(await logIn());
      ended["everybody, Django's"] = await logIn();
      await of.revoke('--issued-before', 'now');

      for (const [how, token] of Object.entries(ended)) {
        expect(await of.statuses(token), how).toEqual(REFUSED);
      }
      await of.flush();
      await of.cleanUp();
      for (const [how, token] of Object.entries(ended)) {
        expect(await of.statuses(token), `${how}, then cleaned up`).toEqual(REFUSED);
      }
      const doctor = await run(['doctor', '--database-url', of.pair.database, '--json'], {
        CARELINK_SIGNING_KEY: TEST_SIGNING_KEY,
      });
      expect(doctor.stdout).toContain('it has USE_TZ = False');
      // A log-in after the revocation is not older than it, whatever its row says.
      expect((await refresh(of.pair.django.url, await logIn())).status).toBe(200);
    });
  });
}

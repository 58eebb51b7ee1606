/** `--rotation off` and `keep`, with and without the token tables, beside the Django whose settings they stand for. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDjango, type Django } from '../support/django.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { decodeToken, mintRefresh } from '../support/tokens.js';
import { blacklist, BLACKLISTED, pairOf, refresh, slide, verify, whoami } from './api.js';
import type { Reply } from './http.js';
import { normal, normalOfOurs } from './matrix/normal.js';
import { startMigrated, type Instances } from './pair.js';

const ready = services().postgres !== undefined && services().django;

interface Site {
  readonly name: string;
  readonly app: boolean;
  readonly rotate: boolean;
  readonly blacklistAfter: boolean;
  readonly args: readonly string[];
}

const NONE = ['--token-tables', 'none'];

const SITES: readonly Site[] = [
  { name: 'no rotation, no app (the default)', app: false, rotate: false, blacklistAfter: false, args: ['--rotation', 'off'] },
  // Without the app there is nothing to blacklist by, whatever the setting says.
  { name: 'rotation, no app', app: false, rotate: true, blacklistAfter: true, args: ['--rotation', 'keep'] },
  { name: 'no rotation, the app', app: true, rotate: false, blacklistAfter: false, args: ['--rotation', 'off', '--verify-blacklist', 'off'] },
  { name: 'no rotation, the app, BLACKLIST_AFTER_ROTATION', app: true, rotate: false, blacklistAfter: true, args: ['--rotation', 'off'] },
  { name: 'rotation without blacklisting, the app', app: true, rotate: true, blacklistAfter: false, args: ['--rotation', 'keep'] },
]; // prettier-ignore

/** Each with a Django of its own: two databases, one with the app's tables and one without. */
async function startSite({ app, rotate, blacklistAfter, args }: Site, url: string) {
  const flag = (on: boolean) => (on ? '1' : '0');
  const env = {
    DJANGO_BLACKLIST_APP: flag(app),
    DJANGO_ROTATE: flag(rotate),
    DJANGO_BLACKLIST: flag(blacklistAfter),
  };
  const django = await startDjango({ database: url, env });
  const tableless = app ? [] : NONE;
  const users = app ? [] : ['--user-table', 'auth_user'];
  const ours = await startMigrated(url, {
    args: ['--simplejwt-compat', '5.2', ...args, ...tableless, ...users],
    migrateArgs: tableless,
  });
  return { django, ours };
}

describe.skipIf(!ready)('the policy of a site', () => {
  const databases = new Map<boolean, FreshDatabase>();
  const started = new Map<Site, Awaited<ReturnType<typeof startSite>>>();

  beforeAll(async () => {
    const all = [false, true].map(async (app) => {
      const database = await freshDatabase();
      databases.set(app, database);
      // Of one database the first migrates, and the others find it done.
      const [first, ...others] = SITES.filter((site) => site.app === app);
      started.set(first!, await startSite(first!, database.url));
      await Promise.all(others.map(async (site) => started.set(site, await startSite(site, database.url))));
    });
    await Promise.all(all);
  });
  afterAll(async () => {
    await Promise.all([...started.values()].flatMap(({ django, ours }) => [ours.close(), django.stop()]));
    for (const database of databases.values()) await database.drop();
  });

  describe.each(SITES)('$name', (site) => {
    const { app } = site;
    let django: Django;
    let ours: Instances;
    let url: string;

    beforeAll(() => {
      ({ url } = databases.get(app)!);
      ({ django, ours } = started.get(site)!);
    });

    const rows = async () => {
      if (!app) return undefined;
      const [counts] = await query<{ outstanding: number; blacklisted: number }>(
        url,
        `SELECT (SELECT count(*)::int FROM token_blacklist_outstandingtoken) AS outstanding,
                (SELECT count(*)::int FROM token_blacklist_blacklistedtoken) AS blacklisted`,
      );
      return counts;
    };

    /** What a client may do with a log-in's token, at either server. */
    async function life(at: string, told: (reply: Reply) => unknown): Promise<unknown[]> {
      const user = await django.makeUser();
      const { refresh: token, access } = await django.mint(user, { ward: 'B4', beds: [1, 2] });
      const sliding = await django.mintSliding(user);
      const before = await rows();
      const all: unknown[] = [];
      const tell = (reply: Reply): Reply => {
        all.push(told(reply));
        return reply;
      };
      const first = tell(await refresh(at, token));
      const next = pairOf(first).refresh as string | undefined;
      expect((await whoami(django.url, pairOf(first).access)).body).toEqual({ user_id: user });
      tell(await refresh(at, token));
      tell(await verify(at, token));
      tell(await verify(at, pairOf(first).access));
      if (next !== undefined) {
        tell(await refresh(at, next));
        tell(await verify(at, next));
        tell(await blacklist(at, next));
        tell(await refresh(at, next));
        tell(await verify(at, next));
      }
      tell(await refresh(at, token));
      tell(await blacklist(at, token));
      tell(await blacklist(at, token));
      tell(await refresh(at, token));
      tell(await verify(at, token));
      tell(await refresh(at, access));
      tell(await refresh(at, sliding));
      tell(await slide(at, sliding));
      tell(await refresh(at, mintRefresh({ userId: Number(user), lifetimeSeconds: -10 }).token));
      tell(await refresh(at, `${token}x`));
      tell(await blacklist(at, access));
      const after = await rows();
      all.push(
        after && before && [after.outstanding - before.outstanding, after.blacklisted - before.blacklisted],
      );
      return all;
    }

    test('is answered as Django answers it, and as much is written', async () => {
      const theirs = await life(django.url, normal);
      const mine = await life(ours.url, normalOfOurs);
      expect(mine.map(withoutUser)).toEqual(theirs.map(withoutUser));
    });

    test('a log-out or a deactivation by Django holds at the next refresh', async () => {
      const user = await django.makeUser();
      const { refresh: token } = await django.mint(user);
      const other = await django.mint(user);
      expect((await refresh(ours.url, token)).status).toBe(200);
      if (app) {
        const { refresh: third } = await django.mint(user);
        expect((await refresh(ours.url, third)).status).toBe(200);
        expect((await blacklist(django.url, third)).status).toBe(200);
        expect((await refresh(ours.url, third)).body).toMatchObject(BLACKLISTED);
      }
      await django.deactivateUser(user);
      expect((await refresh(ours.url, other.refresh)).status).toBe(401);
      const gone = await django.makeUser();
      const { refresh: orphan } = await django.mint(gone);
      await django.deleteUser(gone);
      expect((await refresh(ours.url, orphan)).status).toBe(401);
    });

    test('an access token names no new claim, and its id is its own each time', async () => {
      const { refresh: token } = await django.mint(await django.makeUser());
      const { access } = pairOf(await refresh(ours.url, token));
      expect(Object.keys(decodeToken(access).claims).sort()).toEqual([
        'exp',
        'iat',
        'jti',
        'token_type',
        'user_id',
      ]);
      const again = pairOf(await refresh(ours.url, token)).access;
      expect(decodeToken(again).claims['jti']).not.toBe(decodeToken(access).claims['jti']);
    });
  });
});

/** Each side's life is a user's of its own. */
function withoutUser(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null).replace(/"user_id":\d+/g, '"user_id":0')) as unknown;
}

/** Each policy of `serve`, with and without the token tables, beside the Django whose settings it stands for. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDjango, type Django } from '../support/django.js';
import { freshDatabase, type FreshDatabase } from '../support/postgres.js';
import type { TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';
import { blacklist, BLACKLISTED, pairOf, refresh, whoami } from '../interop/api.js';
import { normal, normalOfOurs } from '../interop/matrix/normal.js';
import {
  compareLives,
  djangoEnv,
  life,
  POLICIES,
  startPolicies,
  type Policy,
} from '../interop/matrix/policies.js';

const ready = services().postgres !== undefined && services().django;

/** Each with a Django of its own: two databases, one with the app's tables and one without. */
const started = new Map<Policy, { django: Django; ours: TestServer; database: string }>();

describe.skipIf(!ready)('the policy of a site', () => {
  const databases: FreshDatabase[] = [];

  beforeAll(async () => {
    const all = [false, true].map(async (app) => {
      const { url: database, ...rest } = await freshDatabase();
      databases.push({ url: database, ...rest });
      const policies = POLICIES.filter((policy) => policy.app === app);
      const django = (policy: Policy) => startDjango({ database, env: djangoEnv(policy) });
      // The first migrates, and the others find it done.
      const first = await django(policies[0]!);
      const [others, ours] = await Promise.all([
        Promise.all(policies.slice(1).map(django)),
        startPolicies(database, policies, ['--simplejwt-compat', '5.2']),
      ]);
      for (const [at, one] of [first, ...others].entries()) {
        const policy = policies[at]!;
        started.set(policy, { django: one, ours: ours.get(policy)!, database });
      }
    });
    await Promise.all(all);
  });
  afterAll(async () => {
    await Promise.all([...started.values()].flatMap(({ django, ours }) => [ours.stop(), django.stop()]));
    for (const database of databases) await database.drop();
  });

  describe.each(POLICIES)('$name', (policy) => {
    const { app } = policy;
    let django: Django;
    let ours: TestServer;
    let database: string;

    beforeAll(() => {
      ({ django, ours, database } = started.get(policy)!);
    });

    test('is answered as Django answers it, and as much is written', async () => {
      const theirs = await life(policy, { url: django.url, database, normal });
      compareLives(
        policy,
        '5.2',
        theirs,
        await life(policy, { url: ours.url, database, normal: normalOfOurs }),
      );
    });

    test('a log-out or a deactivation by Django holds at the next refresh', async () => {
      const user = await django.makeUser();
      const { refresh: token } = await django.mint(user);
      const other = await django.mint(user);
      expect((await refresh(ours.url, token)).status).toBe(200);
      if (app) {
        const { refresh: third } = await django.mint(user);
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

    test('an access token is good at Django, names no new claim, and its id is its own each time', async () => {
      const user = await django.makeUser();
      const { refresh: token } = await django.mint(user);
      const first = pairOf(await refresh(ours.url, token));
      expect((await whoami(django.url, first.access)).body).toEqual({ user_id: user });
      const { claims } = decodeToken(first.access);
      expect(Object.keys(claims).sort()).toEqual(['exp', 'iat', 'jti', 'token_type', 'user_id']);
      const answered = first as { refresh?: string };
      const again = pairOf(await refresh(ours.url, answered.refresh ?? token)).access;
      expect(decodeToken(again).claims['jti']).not.toBe(claims['jti']);
    });
  });
});

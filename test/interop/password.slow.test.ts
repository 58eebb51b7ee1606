/** A changed password ends sessions (`--revoke-claim`): whoever changes it, beside refreshes that race with the change. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';
import { pairOf, refresh, slide, whoami } from './api.js';
import type { Reply } from './http.js';
import { heard, MODES, startPair, type Pair } from './pair.js';

const ready = services().postgres !== undefined && services().django;

const PASSWORD_CHANGED = {
  detail: "The user's password has been changed.",
  error: 'Invalid or expired refresh token.',
};
const SESSIONS = 8;

const WAYS: readonly [string, (pair: Pair, user: string, name: string) => Promise<unknown>][] = [
  ['set_password', ({ django }, user) => django.setPassword(user, 'new one')],
  ['changepassword', ({ django }, _, name) => django.changePassword(name, 'new one')],
  [
    'an UPDATE in psql',
    ({ database }, user) =>
      query(database, 'UPDATE auth_user SET password = $1 WHERE id = $2', ['pbkdf2$x', user]),
  ],
];

describe.skipIf(!ready).each(MODES)('a changed password, $mode', (options) => {
  let pair: Pair;

  beforeAll(async () => {
    const args = ['--revoke-claim', 'hash_password'];
    pair = await startPair({ ...options, args, env: { DJANGO_CHECK_REVOKE: '1' } });
  });
  afterAll(() => pair.close());

  const rows = async (user: string) =>
    (
      await query<{ open: number; spent: number }>(
        pair.database,
        `SELECT count(*) FILTER (WHERE b.id IS NULL)::int AS open, count(b.id)::int AS spent
           FROM token_blacklist_outstandingtoken o
           LEFT JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
          WHERE o.user_id::text = $1`,
        [user],
      )
    )[0]!;

  test.each(WAYS)('%s between eight racing sessions: after it nobody refreshes', async (way, change) => {
    const name = `changed by ${way}, ${options.mode}`;
    const user = await pair.django.makeUser({ username: name, password: 'old one' });
    const sessions = await Promise.all(
      Array.from({ length: SESSIONS }, async () => (await pair.django.mint(user)).refresh),
    );
    let endedAt = Infinity;
    let stop = false;
    let before = 0;
    const last: { token: string; reply: Reply }[] = [];
    const late: number[] = [];
    const racing = sessions.map(async (login, n) => {
      let token = login;
      while (!stop) {
        const sentAt = performance.now();
        const reply = await refresh(pair.urls[n % pair.urls.length]!, token);
        last[n] = { token, reply };
        if (reply.status !== 200) {
          await sleep(20);
          continue;
        }
        if (sentAt > endedAt) late.push(sentAt - endedAt);
        else before++;
        token = pairOf(reply).refresh;
      }
    });
    // Bounds against hanging: all sessions are under way, and then all are refused.
    await expect.poll(() => before, { timeout: 30_000 }).toBeGreaterThan(SESSIONS);
    await change(pair, user, name);
    // Where claims are in Redis a change is known within a second.
    if (options.async) await heard(options);
    endedAt = performance.now();
    await expect
      .poll(() => last.filter(({ reply }) => reply.status === 401).length, { timeout: 30_000 })
      .toBe(SESSIONS);
    await sleep(250);
    stop = true;
    await Promise.all(racing);
    expect(late).toEqual([]);
    expect(last.map(({ reply }) => reply)).toEqual(
      last.map(() => expect.objectContaining({ status: 401, body: PASSWORD_CHANGED }) as Reply),
    );
    // Each session's last token is unspent: nothing was written for it.
    await expect.poll(() => rows(user), { timeout: 10_000 }).toMatchObject({ open: SESSIONS });
    const again = await pair.django.mint(user);
    expect((await refresh(pair.url, again.refresh)).status).toBe(200);
  });

  test('a password that comes back brings its tokens back, for nothing was written', async () => {
    const user = await pair.django.makeUser({ password: 'old one' });
    const [login, other] = [await pair.django.mint(user), await pair.django.mint(user)];
    // Its successor is one that Redis knows, and that nobody uses until the password has changed.
    const { refresh: known } = pairOf(await refresh(pair.url, login.refresh));
    const set = (password: string) =>
      query(pair.database, 'UPDATE auth_user SET password = $1 WHERE id = $2', [password, user]);
    const [was] = await query<{ password: string }>(
      pair.database,
      'SELECT password FROM auth_user WHERE id = $1',
      [user],
    );
    await set('another');
    await heard(options);
    await expect.poll(() => rows(user), { timeout: 10_000 }).toMatchObject({ spent: 1 });
    const { spent } = await rows(user);
    for (const url of pair.urls) {
      expect(await refresh(url, known)).toMatchObject({ status: 401, body: PASSWORD_CHANGED });
    }
    expect((await rows(user)).spent).toBe(spent);
    await set(was!.password);
    expect((await refresh(pair.url, known)).status).toBe(200);
    expect((await refresh(pair.url, other.refresh)).status).toBe(200);
  });

  test('a token that is logged out, or of nobody active, is told that first, in the order of Django', async () => {
    const [user, inactive] = [await pair.django.makeUser(), await pair.django.makeUser()];
    const [gone, idle] = [await pair.django.mint(user), await pair.django.mint(inactive)];
    await pair.django.deactivateUser(inactive);
    await pair.django.setPassword(inactive, 'x');
    await pair.django.setPassword(user, 'x');
    await query(
      pair.database,
      `INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
       SELECT id, now() FROM token_blacklist_outstandingtoken WHERE jti = $1`,
      [decodeToken(gone.refresh).claims['jti']],
    );
    await heard(options);
    expect((await refresh(pair.url, gone.refresh)).body).toMatchObject({ detail: 'Token is blacklisted' });
    expect((await refresh(pair.url, idle.refresh)).body).toMatchObject({
      detail: 'No active account found for the given token.',
    });
  });

  test.each([
    ['absent', undefined],
    ['null', null],
    ['a number', 7],
    ['in small letters', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['half a surrogate pair', '\ud800'],
  ])('a claim that is %s counts as changed', async (_, claim) => {
    const user = await pair.django.makeUser();
    const { refresh: token } = await pair.django.mint(user, { hash_password: claim ?? null });
    expect(await refresh(pair.url, token)).toMatchObject({ status: 401, body: PASSWORD_CHANGED });
  });

  test('sliding tokens of eight sessions are extended until the password changes, and not after it', async () => {
    const user = await pair.django.makeUser();
    let tokens = await Promise.all(Array.from({ length: SESSIONS }, () => pair.django.mintSliding(user)));
    const slideAll = () => Promise.all(tokens.map((token) => slide(pair.url, token)));
    const first = await slideAll();
    expect(first.map(({ status }) => status)).toEqual(tokens.map(() => 200));
    tokens = first.map(({ body }) => (body as { token: string }).token);
    const racing = Array.from({ length: 3 }, slideAll);
    await pair.django.setPassword(user, 'new');
    const after = await slideAll();
    await Promise.all(racing);
    expect(after).toEqual(
      tokens.map(() => expect.objectContaining({ status: 401, body: PASSWORD_CHANGED }) as Reply),
    );
  });
});

/**
 * Releases whose API compares the password, too (from 5.3 on; Debian has 5.2.2): directories of their sources, where there
 * are any, as for matrix-5.5.test.ts.
 */
for (const source of [process.env['SIMPLEJWT_5_5_SOURCE'], process.env['SIMPLEJWT_HEAD_SOURCE']]) {
  if (source === undefined) continue;
  test.each(MODES)(`nobody loops between refresh and API of ${source}, $mode`, async (options) => {
    const args = ['--revoke-claim', 'hash_password'];
    const env = { PYTHONPATH: source, DJANGO_CHECK_REVOKE: '1' };
    const pair = await startPair({ ...options, args, env });
    try {
      const user = await pair.django.makeUser({ username: 'looping', password: 'old one' });
      const login = await pair.django.obtain('looping', 'old one');
      const first = pairOf(await refresh(pair.url, login.refresh));
      expect((await whoami(pair.django.url, first.access)).status).toBe(200);
      await pair.django.setPassword(user, 'new one');
      await heard(options);
      expect((await whoami(pair.django.url, first.access)).status).toBe(401);
      for (const url of pair.urls) {
        expect(await refresh(url, first.refresh)).toMatchObject({ status: 401, body: PASSWORD_CHANGED });
      }
      const again = await pair.django.obtain('looping', 'new one');
      const second = pairOf(await refresh(pair.url, again.refresh));
      expect((await whoami(pair.django.url, second.access)).status).toBe(200);
    } finally {
      await pair.close();
    }
  });
}

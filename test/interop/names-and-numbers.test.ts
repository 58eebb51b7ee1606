/** Names and numbers that a site may choose: the same answers as Django's with the same settings. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { query } from '../support/postgres.js';
import { BIN } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken, insertOutstanding, mintRefresh } from '../support/tokens.js';
import { json, send } from './http.js';
import { normal, normalOfOurs } from './matrix/normal.js';
import { nowSeconds } from './matrix/world.js';
import { startPair, type Pair } from './pair.js';

const ready = services().postgres !== undefined && services().django;

const SETTINGS = { DJANGO_SLIDING_CLAIM: 'slide.until', DJANGO_USER_ID_CLAIM: 'sub', DJANGO_LEEWAY: '60.5' };
const PATHS = { refresh: '/auth/renew', verify: '/auth/check', blacklist: '/logout', sliding: '/auth/slide' };

describe.skipIf(!ready)('a site with names and numbers of its own', () => {
  let pair: Pair;
  let user: string;

  beforeAll(async () => {
    const paths = Object.entries(PATHS).flatMap(([name, path]) => [`--${name}-path`, path]);
    pair = await startPair({
      env: SETTINGS,
      args: [
        ...[
          '--simplejwt-compat',
          '5.2',
          '--sliding-refresh-exp-claim',
          'slide.until',
          '--user-id-claim',
          'sub',
        ],
        ...['--leeway', '60.5s', '--sub-as-text', '--max-token-bytes', '12000', ...paths],
      ],
    });
    user = await pair.django.makeUser();
  });
  afterAll(() => pair.close());

  const refreshAt = (url: string, token: string, path = PATHS.refresh) =>
    send(url, json(path, { refresh: token }));
  const slide = async (token: string) => ({
    ours: normalOfOurs(await send(pair.url, json(PATHS.sliding, { token }))),
    theirs: normal(await send(pair.django.url, json('/account/token/sliding/refresh/', { token }))),
  });
  const sliding = (claims: Record<string, unknown>) =>
    mintRefresh({
      tokenType: 'sliding',
      lifetimeSeconds: 900,
      claims: { user_id: undefined, sub: Number(user), ...claims },
    }).token;

  test('a sliding token of Django slides here, by the claim that the site names', async () => {
    const token = await pair.django.mintSliding(user);
    const reply = await send(pair.url, json(PATHS.sliding, { token }));
    expect(reply.status).toBe(200);
    const slid = decodeToken((reply.body as { token: string }).token).claims;
    expect(slid['slide.until']).toBe(decodeToken(token).claims['slide.until']);
    const again = await send(pair.django.url, json('/account/token/sliding/refresh/', reply.body));
    expect(again.status).toBe(200);
  });

  test.each([
    ['is past', { 'slide.until': nowSeconds() - 100 }, "Token 'slide.until' claim has expired"],
    ['is missing', { refresh_exp: nowSeconds() + 900 }, "Token has no 'slide.until' claim"],
    ['passed within the leeway', { 'slide.until': nowSeconds() - 5 }, undefined],
  ])('where it %s the answer is the same', async (_, claims, detail) => {
    const { ours, theirs } = await slide(sliding(claims));
    if (detail === undefined) expect([ours.status, theirs.status]).toEqual([200, 200]);
    else expect(ours).toEqual(theirs);
    expect((ours.body as { detail?: string }).detail).toBe(detail);
  });

  test.each([
    [30, 200],
    [45, 200],
    [90, 401],
  ])('a token that expired %d s ago, with a leeway of 60.5 s: %d on both sides', async (ago, status) => {
    const mint = () =>
      mintRefresh({
        iatSeconds: nowSeconds() - 3_600,
        lifetimeSeconds: 3_600 - ago,
        claims: { user_id: undefined, sub: Number(user) },
      });
    expect((await refreshAt(pair.url, mint().token)).status).toBe(status);
    expect((await refreshAt(pair.django.url, mint().token, '/account/token/refresh/')).status).toBe(status);
  });

  test('an integer sub is text in both tokens that are handed out, and Django takes both', async () => {
    const { refresh } = await pair.django.mint(user);
    expect(decodeToken(refresh).claims['sub']).toBe(Number(user));
    const reply = await refreshAt(pair.url, refresh);
    const handed = reply.body as { access: string; refresh: string };
    expect([decodeToken(handed.access).claims['sub'], decodeToken(handed.refresh).claims['sub']]).toEqual([
      user,
      user,
    ]);
    const who = await fetch(`${pair.django.url}/whoami/`, {
      headers: { authorization: `Bearer ${handed.access}` },
    });
    expect(await who.json()).toEqual({ user_id: user });
    expect((await refreshAt(pair.django.url, handed.refresh, '/account/token/refresh/')).status).toBe(200);
  });

  test('a token of 11,000 bytes is refreshed, and one of 13,000 refused unread', async () => {
    const long = (letters: number) => pair.django.mint(user, { note: 'x'.repeat(letters) });
    const taken = await refreshAt(pair.url, (await long(8_000)).refresh);
    expect(taken.status).toBe(200);
    expect(taken.headers['x-token-refreshed']).toBe('true');
    expect((await refreshAt(pair.url, (await long(9_600)).refresh)).status).toBe(401);
  });

  test('the endpoints are where they were put, and nowhere else', async () => {
    const { refresh } = await pair.django.mint(user);
    expect((await send(pair.url, json('/account/token/refresh/', { refresh }))).status).toBe(404);
    expect((await send(pair.url, json(`${PATHS.verify}/`, { token: refresh }))).status).toBe(200);
    expect((await send(pair.url, json(PATHS.blacklist, { refresh }))).status).toBe(200);
    expect((await send(pair.url, json(PATHS.verify, { token: refresh }))).status).toBe(400);
  });

  test('a cleanup that knows the name keeps the row of a token that can come back, and one that does not deletes it', async () => {
    const day = 86_400;
    const token = mintRefresh({
      tokenType: 'sliding',
      iatSeconds: nowSeconds() - 30 * day,
      lifetimeSeconds: 900,
      claims: { user_id: undefined, sub: Number(user), 'slide.until': nowSeconds() + day },
    });
    const [id] = await insertOutstanding(pair.database, [token]);
    const count = async () =>
      (await query(pair.database, 'SELECT 1 FROM token_blacklist_outstandingtoken WHERE id = $1', [id]))
        .length;
    const cleanup = (...args: string[]) =>
      promisify(execFile)(process.execPath, [
        ...[
          BIN,
          'cleanup',
          '--database-url',
          pair.database,
          '--extra-lifetime',
          '0s',
          '--nice',
          '0',
          ...args,
        ],
      ]);
    await cleanup('--sliding-refresh-exp-claim', 'slide.until');
    expect(await count()).toBe(1);
    await cleanup();
    expect(await count()).toBe(0);
  });
});

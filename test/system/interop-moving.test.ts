/** docs/rotation.md, "Moving a site to rotation", step by step, beside the Django that it is about. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../cli/run.js';
import { startDjango, type Django } from '../support/django.js';
import { freshDatabase, type FreshDatabase } from '../support/postgres.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';
import { blacklist, BLACKLISTED, pairOf, refresh, whoami } from '../interop/api.js';
import { json, send } from '../interop/http.js';

const ready = services().postgres !== undefined && services().django;

const NONE = ['--token-tables', 'none', '--user-table', 'auth_user'];
const NO_APP = { DJANGO_BLACKLIST_APP: '0', DJANGO_ROTATE: '0', DJANGO_BLACKLIST: '0' };
const APP = { ...NO_APP, DJANGO_BLACKLIST_APP: '1' };
const ROTATES = { DJANGO_BLACKLIST_APP: '1', DJANGO_ROTATE: '1', DJANGO_BLACKLIST: '1' };

/** As a client that keeps what it is answered. */
const accepting = (url: string, token: string) => {
  const message = json('/account/token/refresh/', { refresh: token });
  return send(url, { ...message, headers: { ...message.headers, 'x-carelink-rotation': 'accepted' } });
};
const isMarked = (token: string) => decodeToken(token).claims['carelink_rotates'] === true;
const keysOf = ({ body }: { body: unknown }) => Object.keys(body as object);

describe.skipIf(!ready)('a site moves to rotation', () => {
  let database: FreshDatabase;
  let django: Django;
  let server: TestServer;
  let old: string;
  let modern: string;
  let user: string;

  const command = (...words: string[]) => run(words, { DATABASE_URL: database.url });
  const serve = (...args: string[]) =>
    startServer({ databaseUrl: database.url, args: ['--simplejwt-compat', '5.2', ...args] });
  const deploy = async (env: Record<string, string>) => {
    await django.stop();
    django = await startDjango({ database: database.url, env });
  };

  beforeAll(async () => {
    database = await freshDatabase();
    django = await startDjango({ database: database.url, env: NO_APP });
    expect(await command('migrate', '--token-tables', 'none')).toMatchObject({ code: 0 });
    server = await serve('--rotation', 'off', ...NONE);
    user = await django.makeUser();
    old = (await django.mint(user)).refresh;
    modern = (await django.mint(user)).refresh;
  });
  afterAll(async () => {
    await server.stop();
    await django.stop();
    await database.drop();
  });

  test('0. without the app, and without rotation', async () => {
    for (const token of [old, modern]) expect(keysOf(await accepting(server.url, token))).toEqual(['access']);
  });

  test('1. the app is installed: what runs answers 503 and ends, and nobody is logged out', async () => {
    await deploy(APP);
    // Where Django took long to start, a look at its health has ended it already.
    const answer = await refresh(server.url, old).catch(() => undefined);
    if (answer !== undefined)
      expect([answer.status, answer.headers['retry-after']]).toEqual([503, expect.any(String)]);
    expect((await server.exited).code).toBe(4);
    expect(await command('migrate')).toMatchObject({ code: 0 });
  });

  test('2. rotation is offered: who does not ask for it sees no difference', async () => {
    server = await serve('--rotation', 'offered', '--on-reuse', 'revoke-user');
    // Both were issued before there was a table to record them in.
    for (let turn = 0; turn < 3; turn++) {
      const answer = await refresh(server.url, old);
      expect(keysOf(answer)).toEqual(['access']);
      expect((await whoami(django.url, pairOf(answer).access)).body).toEqual({ user_id: user });
    }
  });

  test('3. a new client is rotated, and what Django logs out is out, of both kinds', async () => {
    const first = modern;
    modern = pairOf(await accepting(server.url, modern)).refresh;
    expect([isMarked(first), isMarked(modern)]).toEqual([false, true]);
    const access = pairOf(await refresh(server.url, modern));
    // A marked token that leaves the header out is rotated all the same.
    expect(keysOf({ body: access })).toEqual(['access', 'refresh']);
    modern = access.refresh;
    expect((await whoami(django.url, access.access)).body).toEqual({ user_id: user });
    expect((await refresh(server.url, first)).body).toMatchObject(BLACKLISTED);
    expect((await refresh(django.url, first)).body).toMatchObject(BLACKLISTED);

    const [ofOld, ofNew] = [(await django.mint(user)).refresh, (await django.mint(user)).refresh];
    const marked = pairOf(await accepting(server.url, ofNew)).refresh;
    expect(keysOf(await refresh(server.url, ofOld))).toEqual(['access']);
    for (const token of [ofOld, marked]) {
      expect((await blacklist(django.url, token)).status).toBe(200);
      expect((await refresh(server.url, token)).body).toMatchObject(BLACKLISTED);
    }
  });

  test('4. the metric tells how many of each kind there are', async () => {
    const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
    const of = (client: string) =>
      Number(
        new RegExp(`^carelink_rotation_offers_total\\{client="${client}"\\} (\\d+)`, 'm').exec(metrics)![1],
      );
    // Answered ones alone: 3 and 1 of old clients, 2 and 1 of new ones.
    expect([of('ignores'), of('accepts')]).toEqual([4, 3]);
  });

  test('back to off: marked tokens are kept', async () => {
    const off = await serve('--rotation', 'off');
    try {
      for (let turn = 0; turn < 2; turn++)
        expect(keysOf(await accepting(off.url, modern))).toEqual(['access']);
    } finally {
      await off.stop();
    }
  });

  test('5. every token is rotated, by this server and by Django', async () => {
    await server.stop();
    server = await serve('--rotation', 'on');
    await deploy(ROTATES);
    for (const token of [modern, old]) {
      const here = pairOf(await refresh(server.url, token)).refresh;
      const there = pairOf(await refresh(django.url, here)).refresh;
      const again = pairOf(await refresh(server.url, there)).refresh;
      for (const spent of [token, here, there])
        expect((await refresh(server.url, spent)).body).toMatchObject(BLACKLISTED);
      // What Django rotated keeps the claim of its predecessor, which means nothing any more.
      expect(isMarked(again)).toBe(token === modern);
    }
  });
});

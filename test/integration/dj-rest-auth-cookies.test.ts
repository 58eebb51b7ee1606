/** `--cookie-style dj-rest-auth` against those who would use it: what they send is refused, and spends nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdToDocument, send, type Reply } from '../interop/http.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken, insertOutstanding, mintRefresh, type MintedToken } from '../support/tokens.js';

const BASE = '/account/token';
const NAME = 'refresh-token';
const LISTED = 'https://app.example.org';

const setCookies = ({ headers }: Reply): string[] => [headers['set-cookie'] ?? []].flat();
const valueOf = (reply: Reply, name = NAME): string | undefined =>
  setCookies(reply)
    .map((one) => new RegExp(`^${name}=([^;]*)`).exec(one)?.[1])
    .find((value) => value !== undefined);

describe.skipIf(!services().postgres)("cookies in dj-rest-auth's style", () => {
  const rotation = rotationWorld();
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer({
      databaseUrl: rotation.url,
      args: [
        '--cookie-style', 'dj-rest-auth', '--cookie-name', NAME, '--access-cookie-name', 'auth', '--cors-origin', LISTED,
      ], // prettier-ignore
    });
    holdToDocument(server.url);
  });
  afterAll(() => server.stop());

  const ask = (
    path: string,
    headers: Record<string, string>,
    body?: { readonly type: string; readonly text: string },
  ): Promise<Reply> =>
    send(server.url, {
      path: `${BASE}/${path}/`,
      headers: { ...headers, ...(body && { 'content-type': body.type }) },
      ...(body && { body: body.text }),
    });
  const byCookie = (path: string, token: string, headers: Record<string, string> = {}): Promise<Reply> =>
    ask(path, { ...headers, cookie: `${NAME}=${token}` });

  /** It is unspent and not logged out. */
  const stillGood = async ({ token }: MintedToken): Promise<void> =>
    expect((await byCookie('refresh', token)).status).toBe(200);

  const inJson = ({ token }: MintedToken) => ({
    type: 'application/json',
    text: JSON.stringify({ refresh: token }),
  });
  const own = (): Record<string, string> => ({ origin: server.url });
  const hostOf = (): string => new URL(server.url).host;

  const FOREIGN: [string, () => Record<string, string>][] = [
    ['another site', () => ({ origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' })],
    ['another site, in a browser without Sec-Fetch-Site', () => ({ origin: 'https://evil.test' })],
    ['another site, whose Origin was left out', () => ({ 'sec-fetch-site': 'cross-site' })],
    ['a neighbour of the site', () => ({ origin: 'https://evil.example.org', 'sec-fetch-site': 'same-site' })],
    ['a neighbour whose Origin was left out', () => ({ 'sec-fetch-site': 'same-site' })],
    ['a sandboxed frame', () => ({ origin: 'null', 'sec-fetch-site': 'cross-site' })],
    ['a page without a referrer', () => ({ origin: 'null', 'sec-fetch-site': 'same-origin' })],
    ['no page at all', () => ({ 'sec-fetch-site': 'none' })],
    ['a name that begins as the listed one does', () => ({ origin: `${LISTED}.evil.test` })],
    ['a name that ends as the listed one does', () => ({ origin: 'https://evilapp.example.org' })],
    ['another port of the listed one', () => ({ origin: `${LISTED}:8443` })],
    ['another scheme of the listed one', () => ({ origin: LISTED.replace('https', 'http') })],
    ['another port of this host', () => ({ origin: 'http://127.0.0.1:1' })],
    ['a name that begins as this host does', () => ({ origin: `http://${hostOf()}.evil.test` })],
    ['this host as the user of another one', () => ({ origin: `http://${hostOf()}@evil.test` })],
    ['two origins at once', () => ({ origin: `${LISTED}, https://evil.test` })],
  ]; // prettier-ignore

  describe.each(FOREIGN)('a page of %s', (_, headers) => {
    it("can't use its visitor's cookie: not to refresh, not to log out", async () => {
      const victim = await rotation.login();
      for (const path of ['refresh', 'blacklist']) {
        const reply = await byCookie(path, victim.token, headers());
        expect([reply.status, setCookies(reply)]).toEqual([403, []]);
        expect(reply.headers['access-control-allow-credentials']).toBeUndefined();
      }
      await stillGood(victim);
    });

    it("can't log its visitor in as somebody else, by a form of whatever kind", async () => {
      const attacker = await rotation.login();
      for (const { type, text } of [
        { type: 'application/x-www-form-urlencoded', text: `refresh=${attacker.token}` },
        { type: 'application/json', text: JSON.stringify({ refresh: attacker.token }) },
        {
          type: 'multipart/form-data; boundary=b',
          text: `--b\r\nContent-Disposition: form-data; name="refresh"\r\n\r\n${attacker.token}\r\n--b--\r\n`,
        },
      ]) {
        const reply = await ask('refresh', headers(), { type, text });
        expect([reply.status, setCookies(reply)]).toEqual([403, []]);
      }
      await stillGood(attacker);
    });
  });

  it.each([
    ['its own, told by Origin', () => own()],
    ['its own, told by Sec-Fetch-Site', () => ({ 'sec-fetch-site': 'same-origin' })],
    [
      'its own behind a proxy that leaves the port out of Host',
      () => ({ origin: 'https://127.0.0.1:8443', host: '127.0.0.1', 'sec-fetch-site': 'same-origin' }),
    ],
    ['a listed origin', () => ({ origin: LISTED, 'sec-fetch-site': 'cross-site' })],
    ['none: a client that is no browser', () => ({})],
  ] as [string, () => Record<string, string>][])('a page of %s may', async (_, headers) => {
    const { token } = await rotation.login();
    const reply = await byCookie('refresh', token, headers());
    expect([reply.status, setCookies(reply).length]).toEqual([200, 2]);
    expect((await byCookie('blacklist', valueOf(reply)!, headers())).status).toBe(200);
  });

  it('pages of a listed origin may read answers with credentials, of errors too; in a preflight alike', async () => {
    const headers = { origin: LISTED, 'sec-fetch-site': 'cross-site' };
    const answers = [
      await ask('refresh', headers),
      await byCookie('refresh', 'x', headers),
      await ask('blacklist', headers),
      await send(server.url, {
        method: 'OPTIONS',
        path: `${BASE}/refresh/`,
        headers: { ...headers, 'access-control-request-method': 'POST' },
      }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 204]);
    for (const answer of answers) {
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': LISTED,
        'access-control-allow-credentials': 'true',
        vary: 'Origin',
      });
    }
  });

  describe('a cookie that was tossed in by a neighbour', () => {
    it.each(['before', 'behind'])('%s ours is not taken for it', async (where) => {
      const [victim, attacker] = [await rotation.login(), await rotation.login()];
      const pair = [`${NAME}=${victim.token}`, `${NAME}=${attacker.token}`];
      const cookie = (where === 'before' ? pair.reverse() : pair).join('; ');
      const refreshed = await ask('refresh', { ...own(), cookie });
      expect([refreshed.status, (refreshed.body as { code: string }).code, setCookies(refreshed)]).toEqual([
        400,
        'duplicate_cookie',
        [],
      ]);
      const out = await ask('blacklist', { ...own(), cookie });
      // Neither is logged out, for one of them is somebody else's; ours is forgotten all the same.
      expect([out.status, valueOf(out)]).toEqual([400, '""']);
      await stillGood(victim);
      await stillGood(attacker);
    });

    it("is of no matter where a body says which token is meant; a log-out is the cookie's", async () => {
      const [victim, attacker, other] = [
        await rotation.login(),
        await rotation.login(),
        await rotation.login(),
      ];
      const cookie = `${NAME}=${attacker.token}; ${NAME}=${victim.token}`;
      const refreshed = await ask('refresh', { ...own(), cookie }, inJson(other));
      expect([refreshed.status, decodeToken(valueOf(refreshed)!).claims['user_id']]).toEqual([
        200,
        other.userId,
      ]);
      const out = await ask('blacklist', { ...own(), cookie }, inJson(other));
      expect([out.status, valueOf(out)]).toEqual([400, '""']);
      await stillGood(victim);
      await stillGood(attacker);
    });

    it('with our own value is none: browsers send one token twice that is kept under two paths', async () => {
      const { token } = await rotation.login();
      const twice = (value: string) => ({ ...own(), cookie: `${NAME}=${value}; a=b; ${NAME}="${value}"` });
      const refreshed = await ask('refresh', twice(token));
      expect(refreshed.status).toBe(200);
      const out = await ask('blacklist', twice(valueOf(refreshed)!));
      expect([out.status, valueOf(out)]).toEqual([200, '""']);
    });
  });

  it("where scripts may read cookies a log-out is of its body's token, and of the cookie's where it has none", async () => {
    const readable = await startServer({
      databaseUrl: rotation.url,
      args: ['--cookie-style', 'dj-rest-auth', '--cookie-name', NAME, '--cookie-httponly', 'off'],
    });
    try {
      holdToDocument(readable.url);
      const ask = (path: string, cookie: string, body?: string): Promise<Reply> =>
        send(readable.url, {
          path: `${BASE}/${path}/`,
          headers: { cookie, ...(body !== undefined && { 'content-type': 'application/json' }) },
          ...(body !== undefined && { body }),
        });
      const [inCookie, inBody, planted] = [
        await rotation.login(),
        await rotation.login(),
        await rotation.login(),
      ];
      const cookie = `${NAME}=${inCookie.token}`;
      const ofBody = JSON.stringify({ refresh: inBody.token });
      const out = await ask('blacklist', `${cookie}; ${NAME}=${planted.token}`, ofBody);
      expect([out.status, valueOf(out)]).toEqual([200, '""']);
      expect((await ask('refresh', '', ofBody)).status).toBe(401);
      await stillGood(planted);
      expect((await ask('blacklist', cookie, '{}')).status).toBe(200);
      expect((await ask('refresh', cookie)).status).toBe(401);
    } finally {
      await readable.stop();
    }
  });

  it('a refused refresh clears nothing; a log-out does, of a token that is spent already, too', async () => {
    const { token } = await rotation.login();
    expect((await byCookie('blacklist', token)).status).toBe(200);
    const refused = await byCookie('refresh', token);
    expect([refused.status, setCookies(refused)]).toEqual([401, []]);
    const again = await byCookie('blacklist', token);
    expect([again.status, setCookies(again).map((one) => one.slice(0, one.indexOf(';')))]).toEqual([
      401,
      ['auth=""', `${NAME}=""`],
    ]);
  });

  it('two tabs that refresh at once, or one that lost its answer, get the same pair: a grace of 10 s', async () => {
    const { token } = await rotation.login();
    const replies = await Promise.all([1, 2, 3].map(() => byCookie('refresh', token)));
    replies.push(await byCookie('refresh', token));
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(replies.map((reply) => valueOf(reply))).size).toBe(1);
    expect(new Set(replies.map((reply) => valueOf(reply, 'auth'))).size).toBe(1);
  });

  it('a cookie ends with its token, to the second, in a replay as well', async () => {
    const { token } = await rotation.login();
    for (const reply of [await byCookie('refresh', token), await byCookie('refresh', token)]) {
      for (const name of [NAME, 'auth']) {
        const cookie = setCookies(reply).find((one) => one.startsWith(`${name}=`))!;
        const { exp } = decodeToken(valueOf(reply, name)!).claims;
        expect(Date.parse(/expires=([^;]+)/.exec(cookie)![1]!)).toBe(Number(exp) * 1000);
      }
    }
  });

  describe('a cookie that no browser would keep', () => {
    const padded = async (bytes: number): Promise<MintedToken> => {
      const [{ userId }, claims] = [await rotation.login(), { pad: '' }];
      const mint = () => mintRefresh({ userId, claims });
      // Base64 makes four of three.
      claims.pad = 'x'.repeat(Math.floor(((bytes - mint().token.length) * 3) / 4));
      while (mint().token.length < bytes) claims.pad += 'x';
      const minted = mint();
      await insertOutstanding(rotation.url, [minted]);
      return minted;
    };

    it('is not set; the answer says why, and the token is unspent', async () => {
      const large = await padded(4_096 - NAME.length + 1);
      const reply = await byCookie('refresh', large.token);
      expect([reply.status, setCookies(reply)]).toEqual([413, []]);
      expect(reply.body).toMatchObject({
        code: 'cookie_too_large',
        error: expect.stringContaining('browsers keep at most'),
      });
      const [row] = await rotation.sql<{ spent: number; rows: number }>(
        `SELECT count(b.id)::int AS spent, count(*)::int AS rows FROM token_blacklist_outstandingtoken o
           LEFT JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id WHERE o.user_id = $1`,
        [large.userId],
      );
      // That of the log-in, and this one.
      expect(row).toEqual({ spent: 0, rows: 2 });
    });

    it('is set up to the last byte that fits', async () => {
      // A length of four times something: base64 has no other, but for the last character or two.
      const most = 4_096 - NAME.length;
      const fits = await padded(most - 3);
      expect(fits.token.length).toBeLessThanOrEqual(most);
      const reply = await byCookie('refresh', fits.token);
      expect([reply.status, NAME.length + valueOf(reply)!.length <= 4_096]).toEqual([200, true]);
    });
  });
});

import { afterEach, describe, expect, it, vi } from 'vitest';
import { asset } from '../../../src/http/assets.js';
import type { HttpServer } from '../../../src/http/listener.js';
import { OwnCookies } from '../../../src/http/cookies/own.js';
import type { RefreshOutcome, LogoutOutcome } from '../../../src/rotation/outcomes.js';
import { REFRESH, ROTATED, start } from './server-under-test.js';

let server: HttpServer | undefined;
afterEach(async () => {
  await server?.close(0);
  server = undefined;
});

const NAME = '__Host-carelink-refresh-s1';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

interface Sent {
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly refresh?: RefreshOutcome;
  readonly logout?: LogoutOutcome;
  readonly tellsEnd?: boolean;
  readonly untilClosed?: boolean;
}

async function send({
  path = REFRESH,
  headers = {},
  body,
  refresh = ROTATED,
  logout = { kind: 'logged_out' },
  tellsEnd = false,
  untilClosed,
}: Sent) {
  const tokens: string[] = [];
  const taking =
    <T>(outcome: T) =>
    (token: string): Promise<T> => {
      tokens.push(token);
      return Promise.resolve(outcome);
    };
  const started = await start({
    service: { refresh: taking(refresh), logout: taking(logout) },
    cookies: new OwnCookies({ tellsEnd, untilClosed }),
  });
  server = started.server;
  const response = await fetch(started.url + path, { method: 'POST', headers, ...(body && { body }) });
  return {
    status: response.status,
    body: await response.json(),
    cookies: response.headers.getSetCookie(),
    ends: response.headers.get('x-session-ends'),
    tokens,
  };
}

const SESSION = { 'x-carelink-session': 's1' };
const OURS = { ...SESSION, cookie: `a=b; ${NAME}=old.token.x; __Host-carelink-refresh-s2=other` };

describe('--refresh-cookie', () => {
  it("rotates in the session's own cookie, and no body has a refresh token", async () => {
    const { status, body, cookies, tokens } = await send({ headers: OURS });
    expect([status, body, tokens]).toEqual([200, { access: 'aaa.bbb.ccc' }, ['old.token.x']]);
    expect(cookies).toEqual([`${NAME}=ddd.eee.fff; Max-Age=43200; ${ATTRIBUTES}`]);
  });

  it('the cookie lives as long as its token, and only where sessions end an answer says when: no script can read it', async () => {
    const refresh = { ...ROTATED, refreshExpiresAtSeconds: 1_700_000_017 };
    for (const [tellsEnd, ends] of [
      [false, null],
      [true, '2023-11-14T22:13:37.000Z'],
    ] as const) {
      const answer = await send({ headers: OURS, refresh, tellsEnd });
      expect(answer.cookies).toEqual([`${NAME}=ddd.eee.fff; Max-Age=17; ${ATTRIBUTES}`]);
      expect(answer.ends).toBe(ends);
      await server?.close(0);
    }
  });

  it('a repeat comes later than its claim, and the cookie ends with the token all the same', async () => {
    const refreshExpiresAtSeconds = Math.floor(Date.now() / 1000) + 500;
    const { cookies } = await send({
      headers: OURS,
      refresh: { ...ROTATED, replayed: true, refreshExpiresAtSeconds },
    });
    const left = Number(/Max-Age=(\d+)/.exec(cookies[0] ?? '')?.[1]);
    expect(left).toBeLessThanOrEqual(500);
    expect(left).toBeGreaterThan(500 - 120);
  });

  it('moves the token of a new log-in from the body into the cookie', async () => {
    const headers = { ...OURS, 'content-type': 'application/json' };
    const { body, cookies, tokens } = await send({ headers, body: '{"refresh":"new.token.x"}' });
    expect([body, tokens, cookies.length]).toEqual([{ access: 'aaa.bbb.ccc' }, ['new.token.x'], 1]);
  });

  it.each([
    ['without the header', { cookie: OURS.cookie }],
    ['with an id that would be more than a name', { ...OURS, 'x-carelink-session': 's1; Domain=evil' }],
    ['from another site', { ...OURS, 'sec-fetch-site': 'cross-site' }],
    ['from a neighbour of the site', { ...OURS, 'sec-fetch-site': 'same-site' }],
  ])('refuses a request %s, with a token in its body or not', async (_, headers) => {
    expect(await send({ headers })).toMatchObject({ status: 403, cookies: [], tokens: [] });
    await server?.close(0);
    const withBody = { headers: { ...headers, 'content-type': 'application/json' }, body: '{"refresh":"x"}' };
    expect(await send(withBody)).toMatchObject({ status: 403, cookies: [], tokens: [] });
  });

  it('asks for a token where there is no cookie', async () => {
    const { status, body } = await send({ headers: SESSION });
    expect([status, body]).toMatchObject([400, { error: 'Refresh token is required.' }]);
  });

  it.each([{ kind: 'blacklisted' }, { kind: 'in_progress', retryAfterSeconds: 1 }] as RefreshOutcome[])(
    'a refresh that was refused clears nothing: $kind',
    async (refresh) => expect((await send({ headers: OURS, refresh })).cookies).toEqual([]),
  );

  it.each([
    [{ kind: 'logged_out' }, 200, 1],
    [{ kind: 'blacklisted' }, 401, 1],
    [{ kind: 'unavailable', retryAfterSeconds: 1 }, 503, 0],
  ] as [LogoutOutcome, number, number][])(
    'a log-out answered %j clears the cookie',
    async (logout, status, cleared) => {
      const answer = await send({ path: '/account/token/blacklist/', headers: OURS, logout });
      expect(answer).toMatchObject({ status, tokens: ['old.token.x'] });
      expect(answer.cookies).toEqual(cleared === 1 ? [`${NAME}=; Max-Age=0; ${ATTRIBUTES}`] : []);
    },
  );

  it.each([
    ['POST', 200, ROTATED],
    ['POST', 401, { kind: 'blacklisted' }],
    ['POST', 429, { kind: 'in_progress', retryAfterSeconds: 1 }],
    ['OPTIONS', 200, ROTATED],
  ] as [string, number, RefreshOutcome][])(
    'lets no script of another origin read an answer or ask for one: %s, %i',
    async (method, status, outcome) => {
      const started = await start({
        service: { refresh: () => Promise.resolve(outcome) },
        cookies: new OwnCookies({ tellsEnd: false }),
      });
      server = started.server;
      const preflight = {
        origin: 'https://evil.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-carelink-session',
      };
      const response = await fetch(started.url + REFRESH, { method, headers: { ...OURS, ...preflight } });
      expect(response.status).toBe(status);
      expect([...response.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
    },
  );

  it('are forgotten when the browser is closed, if they are to live no longer; one that is cleared is at once', async () => {
    const granted = await send({ headers: OURS, untilClosed: true });
    expect(granted.cookies).toEqual([`${NAME}=ddd.eee.fff; ${ATTRIBUTES}`]);
    await server?.close(0);
    const gone = await send({ path: '/account/token/blacklist/', headers: OURS, untilClosed: true });
    expect(gone.cookies).toEqual([`${NAME}=; Max-Age=0; ${ATTRIBUTES}`]);
  });

  it('a server without cookies refuses who counts on them, before a token is spent', async () => {
    const refresh = vi.fn(() => Promise.resolve(ROTATED));
    const started = await start({ service: { refresh } });
    server = started.server;
    const body = JSON.stringify({ refresh: 'a.b.c' });
    const headers = { ...SESSION, 'content-type': 'application/json' };
    const response = await fetch(started.url + REFRESH, { method: 'POST', headers, body });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining('--refresh-cookie') });
    expect(refresh).not.toHaveBeenCalled();
  });

  it('keeps eight sessions of a browser, and drops the oldest', async () => {
    const cookie = Array.from({ length: 9 }, (_, i) => `__Host-carelink-refresh-o${i}=t`).join('; ');
    const { cookies } = await send({ headers: { ...SESSION, cookie: `${cookie}; ${NAME}=old.token.x` } });
    expect(cookies.map((one) => one.split('=')[0])).toEqual([
      NAME,
      '__Host-carelink-refresh-o0',
      '__Host-carelink-refresh-o1',
    ]);
  });
});

describe('assets', () => {
  it('are answered to GET and HEAD, with 304 where the browser has them', async () => {
    const started = await start({ assets: new Map([['/a.js', asset('text/javascript', 'let a;')]]) });
    server = started.server;
    const whole = await fetch(`${started.url}/a.js?v=1`);
    expect([whole.status, whole.headers.get('content-type'), await whole.text()]).toEqual([
      200,
      'text/javascript',
      'let a;',
    ]);
    const headers = { 'if-none-match': whole.headers.get('etag')! };
    expect((await fetch(`${started.url}/a.js`, { headers })).status).toBe(304);
    expect((await fetch(`${started.url}/a.js`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${started.url}/a.js`, { method: 'POST' })).status).toBe(404);
    expect((await fetch(`${started.url}/b.js`)).status).toBe(404);
  });
});

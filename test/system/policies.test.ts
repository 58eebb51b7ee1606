/** Each `--rotation` as it is tried: on the embedded server, and with the cookie of `--refresh-cookie`. */
import { describe, expect, test } from 'vitest';
import { blacklist, refresh } from '../interop/api.js';
import { json, send, type Reply } from '../interop/http.js';
import { startServer } from '../support/server.js';
import { decodeToken, mintRefresh } from '../support/tokens.js';

const PATH = '/account/token/refresh/';
const rotates = (token: string) => decodeToken(token).claims['carelink_rotates'];
const shape = ({ status, body }: Reply) => [status, Object.keys(body as object)] as const;

const ACCESS = [200, ['access']] as const;
const PAIR = [200, ['access', 'refresh']] as const;
const REFUSED = [401, ['detail', 'code', 'error']] as const;

describe('the embedded server', () => {
  const NONE = ['--token-tables', 'none'];

  test.each([
    { policy: 'on', flags: [], first: PAIR, again: REFUSED, loggedOut: REFUSED },
    { policy: 'off', flags: [], first: ACCESS, again: ACCESS, loggedOut: REFUSED },
    { policy: 'off', flags: NONE, first: ACCESS, again: ACCESS, loggedOut: ACCESS },
    { policy: 'keep', flags: [], first: PAIR, again: PAIR, loggedOut: REFUSED },
    { policy: 'keep', flags: NONE, first: PAIR, again: PAIR, loggedOut: PAIR },
    { policy: 'offered', flags: [], first: ACCESS, again: ACCESS, loggedOut: REFUSED },
  ])('--rotation $policy $flags', async ({ policy, flags, first, again, loggedOut }) => {
    const server = await startServer({
      args: ['--rotation', policy, ...flags],
      // A key of its own: then it prints a token to be tried.
      env: { CARELINK_SIGNING_KEY: '' },
    });
    try {
      const token = server.sampleRefresh!;
      expect(shape(await refresh(server.url, token))).toEqual(first);
      expect(shape(await refresh(server.url, token))).toEqual(again);
      if (policy === 'offered') {
        const offer = json(PATH, { refresh: token });
        const accepted = { ...offer, headers: { ...offer.headers, 'x-carelink-rotation': 'accepted' } };
        const answer = await send(server.url, accepted);
        expect(shape(answer)).toEqual(PAIR);
        expect(rotates((answer.body as { refresh: string }).refresh)).toBe(true);
        expect(shape(await refresh(server.url, token))).toEqual(REFUSED);
      }
      await blacklist(server.url, token);
      expect(shape(await refresh(server.url, token))).toEqual(loggedOut);
    } finally {
      await server.stop();
    }
  });
});

test('with the refresh token in a cookie every client is rotated, header or not; one without a cookie is refused and spends nothing', async () => {
  const server = await startServer({ args: ['--rotation', 'offered', '--refresh-cookie'] });
  try {
    const name = '__Host-carelink-refresh-s1';
    const session = { 'x-carelink-session': 's1', origin: server.url, 'sec-fetch-site': 'same-origin' };
    const cookieOf = ({ headers }: Reply) => {
      const [cookie] = [headers['set-cookie']].flat();
      return new RegExp(`^${name}=([^;]+);`).exec(cookie ?? '')?.[1];
    };
    const { token } = mintRefresh();
    const login = json(PATH, { refresh: token });
    expect((await send(server.url, login)).status).toBe(403);

    const first = await send(server.url, { ...login, headers: { ...login.headers, ...session } });
    expect(shape(first)).toEqual(ACCESS);
    let cookie = cookieOf(first);
    for (let turn = 0; turn < 3; turn++) {
      expect(rotates(cookie!)).toBe(true);
      const next = await send(server.url, {
        path: PATH,
        headers: { ...session, cookie: `${name}=${cookie}` },
      });
      expect(shape(next)).toEqual(ACCESS);
      expect(cookieOf(next)).not.toBe(cookie);
      cookie = cookieOf(next);
    }
    // The log-in's token is spent.
    const again = await send(server.url, { ...login, headers: { ...login.headers, ...session } });
    expect(again.status).toBe(401);
    const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/^carelink_rotation_offers_total\{client="accepts"\} [45]$/m);
    expect(metrics).toMatch(/^carelink_rotation_offers_total\{client="ignores"\} 0$/m);
  } finally {
    await server.stop();
  }
});

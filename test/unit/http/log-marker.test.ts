import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { TokenService } from '../../../src/rotation/outcomes.js';
import { post, REFRESH, ROTATED, start, talk } from './server-under-test.js';

/** A token, and each part of it that would be recognised in a log. */
const PARTS = [
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9',
  'eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9',
  'bWFya2VyLXNpZ25hdHVyZQ',
];
const TOKEN = PARTS.join('.');
const PATHS = [
  REFRESH,
  '/account/token/verify/',
  '/account/token/blacklist/',
  '/account/token/sliding/refresh/',
];

/** Every place of a request that a client may put a token in, rightly or not. */
function requests(): string[] {
  const field = (name: string, value: string): string => `{"${name}":${value}}`;
  const bodies = ['refresh', 'token'].flatMap((name) => [
    field(name, `"${TOKEN}"`),
    field(name, `["${TOKEN}"]`),
    field(name, `{"${TOKEN}":1}`),
    field(name, `"${TOKEN}`),
    field(name, `"${TOKEN}\\u0000"`),
    field(TOKEN, '1'),
    `"${TOKEN}"`,
    TOKEN,
    `${name}=${TOKEN}`,
  ]);
  const types = ['application/json', 'application/x-www-form-urlencoded', 'text/plain', TOKEN, 'multipart/form-data', `multipart/form-data; boundary=${TOKEN}`]; // prettier-ignore
  const posts = PATHS.flatMap((path) =>
    bodies.flatMap((body) => types.map((type) => post(path, body, { 'Content-Type': type }))),
  );
  const odd = [
    post(`/${TOKEN}`, '{}'),
    post(`${REFRESH}?refresh=${TOKEN}`, `{"refresh":"${TOKEN}"}`),
    post(`http://${TOKEN}/account/token/refresh/`, '{}'),
    post(REFRESH, '{}', { Host: TOKEN }),
    post(REFRESH, '{}', { Authorization: `Bearer ${TOKEN}`, Cookie: `refresh=${TOKEN}` }),
    post(REFRESH, '{}', { 'X-Request-Id': TOKEN, 'User-Agent': TOKEN, Referer: `http://x/?t=${TOKEN}` }),
    post(REFRESH, '{}', { [TOKEN]: TOKEN }),
    post(REFRESH, '{}', { Expect: TOKEN }),
    post(REFRESH, TOKEN, { 'Content-Length': '9999' }),
    post(REFRESH, TOKEN, { 'Content-Length': TOKEN }),
    post(REFRESH, '{}', { 'X-Big': TOKEN.repeat(200) }),
    post(REFRESH, TOKEN.repeat(1000)),
    `${TOKEN} ${REFRESH} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET /${TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `CONNECT ${TOKEN}:443 HTTP/1.1\r\nHost: x\r\n\r\n`,
    `${TOKEN}\r\n\r\n`,
    `${post(REFRESH, '{}')}${TOKEN}\r\n\r\n`,
    post(REFRESH, `zz;${TOKEN}\r\n${TOKEN}`).replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked'),
  ];
  return [...posts, ...odd, ...posts.slice(0, 200).map(damaged)];
}

/** The same request with a byte gone, and another one doubled. */
function damaged(text: string): string {
  const [a = 0, b = 0] = randomBytes(8)
    .toString('hex')
    .match(/.{8}/g)!
    .map((hex) => parseInt(hex, 16));
  const at = a % text.length;
  const cut = text.slice(0, at) + text.slice(at + 1);
  const doubled = b % cut.length;
  return cut.slice(0, doubled) + cut.charAt(doubled) + cut.slice(doubled);
}

/** Fails in ways that carry the token along, as a driver's errors do. */
function leaky(token: string): Promise<never> {
  const error = new Error(`duplicate key value: (${token})\n    at ${token} (/app/${token}.js:1:1)`);
  Object.assign(error, {
    detail: `Key (token)=(${token})`,
    where: token,
    query: token,
    code: token,
    table: token,
  });
  return Promise.reject(new Error(`while refreshing ${token}`, { cause: error }));
}

const SERVICES: [string, Partial<TokenService>][] = [
  ['answers', { refresh: () => Promise.resolve(ROTATED) }],
  ['refuses', { refresh: () => Promise.resolve({ kind: 'blacklisted' }) }],
  ['breaks', { refresh: leaky, verify: leaky, logout: leaky, slide: leaky }],
];

describe('at debug level', () => {
  it.each(SERVICES)('no part of a token is ever logged where the service %s', async (_name, service) => {
    const { server, port, logged } = await start({ service, level: 'debug' });
    const all = requests();
    for (let i = 0; i < all.length; i += 25) {
      await Promise.all(all.slice(i, i + 25).map((bytes) => talk(port, bytes)));
    }
    await server.close(1_000);
    const text = logged.join('');
    expect(logged.length).toBeGreaterThan(200);
    for (const part of PARTS) expect(text).not.toContain(part);
  });
});

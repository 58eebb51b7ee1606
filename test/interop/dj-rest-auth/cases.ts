/** What clients of dj-rest-auth send to its refresh and its log-out, and what they shouldn't. */
import type { Message } from '../http.js';
import { BLACKLIST, REFRESH, VERIFY } from '../matrix/case.js';
import type { World } from '../matrix/world.js';

export interface CookieCase {
  readonly name: string;
  /** @param cookie the name of the refresh token's */
  readonly message: (world: World, cookie: string) => Promise<Message>;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };
const HOUR = 3_600;

interface Sent {
  /** The Cookie header, of a fresh token and the cookie's name. */
  readonly cookie?: (token: string, name: string) => string;
  readonly body?: (token: string) => string;
  readonly type?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly token?: (world: World) => Promise<string> | string;
}

const inCookie = (token: string, name: string): string => `${name}=${token}`;
const inJson = (token: string): string => JSON.stringify({ refresh: token });

function ask(path: string, name: string, sent: Sent): CookieCase {
  const { cookie, body, type = JSON_TYPE, method = 'POST', token = (world) => world.refresh() } = sent;
  return {
    name: `${path} ${name}`,
    async message(world, cookieName) {
      const fresh = await token(world);
      return {
        method,
        path,
        headers: {
          ...(cookie && { cookie: cookie(fresh, cookieName) }),
          ...(body && type),
        },
        ...(body && { body: body(fresh) }),
      };
    },
  };
}

/** Alike at both endpoints. */
function both(path: string): CookieCase[] {
  const of = (name: string, sent: Sent): CookieCase => ask(path, name, sent);
  const cookie = inCookie;
  return [
    of('the cookie, no body', { cookie }),
    of('the cookie, an empty object', { cookie, body: () => '{}' }),
    of('the cookie, an empty form', { cookie, body: () => ' ', type: FORM_TYPE }),
    of('the cookie, another field', { cookie, body: () => '{"token":"x"}' }),
    of('the cookie among others', { cookie: (token, name) => `a=b; ${name}=${token}; sessionid=c` }),
    of('the cookie twice', { cookie: (token, name) => `${name}=${token}; a=b; ${name}=${token}` }),
    of('the cookie in quotes', { cookie: (token, name) => `${name}="${token}"` }),
    of('the cookie under a name in capitals', { cookie: (token, name) => `${name.toUpperCase()}=${token}` }),
    of('another cookie alone', { cookie: (token) => `other=${token}` }),
    of('an empty cookie', { cookie: (_, name) => `${name}=` }),
    of('a cookie that is no token', { cookie: (_, name) => `${name}=x` }),
    of('a cookie with another signature', { cookie: (token, name) => `${name}=${token.slice(0, -8)}AAAAAAAA` }),
    of('a cookie that has expired', { cookie, token: (world) => world.refresh({ lifetimeSeconds: -HOUR }) }),
    of('a cookie that was logged out', { cookie, token: (world) => world.blacklisted() }),
    of('an access token in the cookie', { cookie, token: (world) => world.access() }),
    of('a cookie without a row', { cookie, token: (world) => world.unrecorded() }),
    of('nothing', {}),
    of('an empty object', { body: () => '{}' }),
    of('a body, no cookie', { body: inJson }),
    of('a body that is no token, no cookie', { body: () => '{"refresh":"x"}' }),
    of('GET with the cookie', { cookie, method: 'GET' }),
  ]; // prettier-ignore
}

export const COOKIE_CASES: readonly CookieCase[] = [
  ...both(REFRESH),
  ...both(BLACKLIST),
  ask(REFRESH, 'a body and a cookie that is no token', { cookie: (_, name) => `${name}=x`, body: inJson }),
  ask(REFRESH, 'a cookie and a body that is no token', { cookie: inCookie, body: () => '{"refresh":"x"}' }),
  ask(REFRESH, 'a cookie and a blank body', { cookie: inCookie, body: () => '{"refresh":""}' }),
  ask(REFRESH, 'a cookie and null in the body', { cookie: inCookie, body: () => '{"refresh":null}' }),
  ask(REFRESH, 'a cookie and a list', { cookie: inCookie, body: () => '[]' }),
  ask(REFRESH, 'a cookie and JSON that breaks off', { cookie: inCookie, body: () => '{' }),
  ask(REFRESH, 'a cookie and a plain text', {
    cookie: inCookie,
    body: () => 'x',
    type: { 'content-type': 'text/plain' },
  }),
  ask(REFRESH, 'a form, no cookie', { body: (token) => `refresh=${token}`, type: FORM_TYPE }),
  ask(REFRESH, 'a body with blanks around the token', { body: (token) => `{"refresh":" ${token} "}` }),
  ask(REFRESH, 'the cookie of an inactive user', {
    cookie: inCookie,
    token: (world) => world.refresh({ userId: world.inactiveUser }),
  }),
  ask(REFRESH, 'the cookie with claims of the site', {
    cookie: inCookie,
    token: (world) => world.refresh({ claims: { role: 'nurse', wards: [1, 2] } }),
  }),
  ask(BLACKLIST, 'a cookie and JSON that breaks off', { cookie: inCookie, body: () => '{' }),
  ask(BLACKLIST, 'a cookie and a body that is no token', { cookie: inCookie, body: () => '{"refresh":"x"}' }),
  ask(BLACKLIST, 'a body and a cookie that is no token', { cookie: (_, name) => `${name}=x`, body: inJson }),
  ask(VERIFY, 'a good token, and no cookie', { body: (token) => JSON.stringify({ token }) }),
  ask(VERIFY, 'the cookie, no body', { cookie: inCookie }),
];

import type { IncomingHttpHeaders } from 'node:http';
import { cookieTooLarge, json, type Reply } from '../respond.js';
import { cookieValues, deleteCookie, setCookie, type DjangoCookie } from './django-cookie.js';
import type { OwnPages } from './own-pages.js';
import { mostTokenBytes } from './size.js';
import type { Asking, CookieStyle, Granted, Handed } from './style.js';

/** dj-rest-auth's settings of the same names, with `JWT_AUTH_` in front. */
export interface DjRestAuthOptions extends DjangoCookie {
  /** REFRESH_COOKIE; `path` is REFRESH_COOKIE_PATH. */
  readonly name: string;
  /** COOKIE, whose path is `/`; undefined: access tokens are in bodies alone. */
  readonly accessName: string | undefined;
  /** False: scripts can read the cookies, and answers have the refresh token, too. */
  readonly httpOnly: boolean;
  /** Browsers forget both cookies when they are closed, for which dj-rest-auth has no setting. */
  readonly untilClosed?: true | undefined;
}

const NO_TOKEN_TEXT = 'No valid refresh token found.';
const NO_TOKEN = json(
  401,
  { detail: NO_TOKEN_TEXT, code: 'token_not_valid', error: NO_TOKEN_TEXT },
  'bad_request',
  'WWW-Authenticate', 'Bearer realm="api"',
); // prettier-ignore

/**
 * Another host of the domain can plant a cookie of the same name, and the first in the header needn't be ours. The same token
 * twice, as under two paths, is no such thing.
 */
const DUPLICATE_TEXT =
  'There is more than one refresh cookie of that name: it is not known which one is meant.';
const DUPLICATE = json(
  400,
  { detail: DUPLICATE_TEXT, code: 'duplicate_cookie', error: DUPLICATE_TEXT },
  'bad_request',
);

/**
 * The cookies of dj-rest-auth (`dj_rest_auth/jwt_auth.py`, 7.1.1): one for the refresh token, and one for the access
 * token. Its pages may be on other origins.
 */
export class DjRestAuthCookies implements CookieStyle {
  readonly loggedOut = json(200, { detail: 'Successfully logged out.' }, 'logged_out');
  readonly #refresh: DjangoCookie;
  readonly #access: DjangoCookie | undefined;
  readonly #httpOnly: boolean;
  readonly #untilClosed: boolean;
  readonly #pages: OwnPages;
  readonly #nowMs: () => number;
  /** The answer to a log-out without a token. */
  readonly #none: Reply;

  constructor(options: DjRestAuthOptions, pages: OwnPages, nowMs: () => number) {
    const { accessName, httpOnly, untilClosed = false } = options;
    this.#refresh = options;
    this.#access = accessName === undefined ? undefined : { ...options, name: accessName, path: '/' };
    this.#httpOnly = httpOnly;
    this.#untilClosed = untilClosed;
    this.#pages = pages;
    this.#nowMs = nowMs;
    const text = `Refresh token was not included in ${httpOnly ? 'cookie' : 'request'} data.`;
    this.#none = json(401, { detail: text, error: text }, 'bad_request');
  }

  /**
   * A refresh takes the token of its body before the cookie's. So does a log-out where scripts may read the cookies, and may so
   * mean another one; where they may not, it is the browser that logs out, by its cookie.
   */
  find({ route, headers, inBody }: Asking): string | Reply | Promise<string | Reply> {
    const refused = this.#pages.refuse(headers);
    if (refused !== undefined) return refused;
    if (route !== 'refresh' && route !== 'blacklist') return inBody();
    const [cookie, another] = new Set(cookieValues(headers.cookie, this.#refresh.name));
    const inCookie = another === undefined ? cookie : DUPLICATE;
    if (route === 'refresh') return inBody(inCookie ?? NO_TOKEN);
    return this.#loggingOut(
      this.#httpOnly ? (inCookie ?? inBody(this.#none)) : inBody(inCookie ?? this.#none),
    );
  }

  hand(_: IncomingHttpHeaders, { access, refresh }: Granted): Handed | Reply {
    const cookies: string[] = [];
    const members = [`"access":"${access}"`];
    const ends = [`"access_expiration":"${isoOf(endOf(access))}"`];
    if (refresh !== undefined) {
      const tooLarge = tooLargeFor(this.#refresh, 'refresh', refresh);
      if (tooLarge !== undefined) return tooLarge;
      cookies.push(this.#set(this.#refresh, refresh));
      if (!this.#httpOnly) {
        members.push(`"refresh":"${refresh}"`);
        ends.push(`"refresh_expiration":"${isoOf(endOf(refresh))}"`);
      }
    }
    if (this.#access !== undefined) {
      // Fresh claims are known only when the token is spent: what came of it is kept, and can be tried again.
      const tooLarge = tooLargeFor(this.#access, 'access', access);
      if (tooLarge !== undefined) return tooLarge.with(cookies);
      cookies.unshift(this.#set(this.#access, access));
    }
    return { body: `{${[...members, ...ends].join(',')}}`, cookies };
  }

  /** It ends with its token, to the second, unless earlier. */
  #set(cookie: DjangoCookie, token: string): string {
    return setCookie(cookie, token, this.#untilClosed ? undefined : endOf(token), this.#nowMs());
  }

  clear(): readonly string[] {
    return [this.#access, this.#refresh].flatMap((cookie) => (cookie ? [deleteCookie(cookie)] : []));
  }

  /** Whoever wants out is out, whatever was wrong with the request. */
  async #loggingOut(token: string | Reply | Promise<string | Reply>): Promise<string | Reply> {
    const found = await token;
    return typeof found === 'string' ? found : found.with(this.clear());
  }
}

function tooLargeFor({ name }: DjangoCookie, kind: 'refresh' | 'access', token: string): Reply | undefined {
  const mostBytes = mostTokenBytes(name);
  return token.length > mostBytes ? cookieTooLarge(kind, token.length, mostBytes) : undefined;
}

/** The `exp` of a token that was just signed here. */
function endOf(token: string): number {
  const [, payload = ''] = token.split('.');
  return Number((JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp: unknown }).exp);
}

function isoOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

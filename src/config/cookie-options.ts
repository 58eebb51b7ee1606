import { oneOf, type ValueKind } from './kinds.js';
import { inGroup, optional, toggle, valued } from './option.js';

/** A token of RFC 9110: what RFC 6265 takes for a cookie's name. */
const cookieName: ValueKind<string> = {
  placeholder: 'name',
  allowed: 'the name of a cookie: letters, digits and - _ . and the like',
  parse: (text) => (/^[!#$%&'*+.^`|~\w-]{1,128}$/.test(text) ? text : undefined),
};

const cookiePath: ValueKind<string> = {
  placeholder: 'path',
  allowed: 'a path such as / or /account/token',
  parse: (text) => (/^\/[!-:<-~]{0,255}$/.test(text) ? text : undefined),
};

const cookieDomain: ValueKind<string> = {
  placeholder: 'domain',
  allowed: 'a domain such as example.org',
  parse: (text) => (/^\.?[a-z0-9-]+(\.[a-z0-9-]+)*$/i.test(text) && text.length < 256 ? text : undefined),
};

const SAME_SITE = ['Lax', 'Strict', 'None'] as const;

const sameSite: ValueKind<(typeof SAME_SITE)[number]> = {
  placeholder: SAME_SITE.join('|'),
  suggests: SAME_SITE,
  allowed: `one of ${SAME_SITE.join(', ')}`,
  parse: (text) => SAME_SITE.find((word) => word.toLowerCase() === text.toLowerCase()),
};

/** Tokens of browsers in cookies. All but the first three are settings of dj-rest-auth. */
export const COOKIE_OPTIONS = inGroup('Cookies', {
  'refresh-cookie': toggle({
    help: 'keep refresh tokens of browsers in HttpOnly cookies; answers have only the access token',
  }),
  'cookie-style': optional(oneOf(['own', 'dj-rest-auth']), {
    help: 'the cookies that browsers get: own is what --refresh-cookie says and our TokenManager uses; dj-rest-auth: its cookies, under the names that follow',
    absentText: 'own with --refresh-cookie, else none: tokens travel in bodies',
  }),
  'cookie-lifetime': valued(oneOf(['token', 'session']), {
    default: 'token',
    help: 'how long browsers keep the cookies: as long as their tokens can be used, or at most until they are closed, so that nobody is remembered',
  }),
  'cookie-name': optional(cookieName, {
    help: "of the refresh token: dj-rest-auth's JWT_AUTH_REFRESH_COOKIE",
  }),
  'access-cookie-name': optional(cookieName, {
    help: "of the access token: dj-rest-auth's JWT_AUTH_COOKIE",
    absentText: 'no cookie',
  }),
  'cookie-path': valued(cookiePath, {
    default: '/',
    help: "of the refresh token's cookie: JWT_AUTH_REFRESH_COOKIE_PATH",
  }),
  'cookie-domain': optional(cookieDomain, {
    help: 'of both cookies: JWT_AUTH_COOKIE_DOMAIN',
    absentText: 'this host alone',
  }),
  'cookie-samesite': valued(sameSite, { default: 'Lax', help: 'of both cookies: JWT_AUTH_SAMESITE' }),
  'cookie-secure': toggle({ help: 'over https alone, both cookies: JWT_AUTH_SECURE' }),
  'cookie-httponly': valued(oneOf(['on', 'off']), {
    default: 'on',
    help: 'out of reach of scripts, both cookies: JWT_AUTH_HTTPONLY; off: answers have the refresh token, too',
  }),
});

import type { ServeSettings } from '../config/settings.js';
import type { Cors } from '../http/cors.js';
import { DjRestAuthCookies } from '../http/cookies/dj-rest-auth.js';
import { MOST_TOKEN_BYTES_OF_OWN, OwnCookies } from '../http/cookies/own.js';
import { OwnPages } from '../http/cookies/own-pages.js';
import { mostTokenBytes } from '../http/cookies/size.js';
import type { CookieStyle } from '../http/cookies/style.js';
import type { Log } from '../observe/log.js';

/** Undefined: tokens travel in bodies. @param cors whose pages may send cookies from other origins */
export function cookieStyle(
  { http: { cookies }, tokens }: ServeSettings,
  cors: Cors | undefined,
  log: Log,
): CookieStyle | undefined {
  if (cookies === undefined) return undefined;
  if (cookies.style === 'own')
    return new OwnCookies({
      tellsEnd: tokens.sessionLifetimeSeconds !== undefined,
      untilClosed: cookies.untilClosed,
    });
  const pages = new OwnPages((origin) => cors?.allows(origin) === true, cookies.secure, log);
  return new DjRestAuthCookies(cookies, pages, Date.now);
}

/** How long a refresh token may be that its client can keep; undefined: however long. */
export function maxSuccessorBytes({ http: { cookies } }: ServeSettings): number | undefined {
  if (cookies === undefined) return undefined;
  return cookies.style === 'own' ? MOST_TOKEN_BYTES_OF_OWN : mostTokenBytes(cookies.name);
}

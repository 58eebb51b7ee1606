import type { IncomingHttpHeaders } from 'node:http';
import { remainingSeconds } from '../../rotation/lifetimes.js';
import { MAX_COOKIES } from '../limits.js';
import { cookieTooLarge, forbidden, json, sessionEnds, type Reply } from '../respond.js';
import { mostTokenBytes } from './size.js';
import type { Asking, CookieStyle, Granted, Handed } from './style.js';

/**
 * `serve --refresh-cookie`: the refresh token lives in a cookie that no script can read, and in no answer's body.
 *
 * Each session has a cookie of its own, named by the id that the client drew at log-in. So an answer of a former
 * user's that comes late can't replace the cookie of whoever logged in since. The id comes in a header, which is
 * what keeps cross-site requests out as well: no form can send it, and a script of another origin would need our
 * consent by CORS, which nobody gets (draft-ietf-oauth-browser-based-apps, 6.1.3.3).
 */
const SESSION_HEADER = 'x-carelink-session';
/** The prefix has browsers refuse it without Secure, with a Domain or another Path: no neighbour can plant one. */
const NAME = '__Host-carelink-refresh-';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

/** In a cookie that is named after an id of the most characters that are taken. */
export const MOST_TOKEN_BYTES_OF_OWN = mostTokenBytes(NAME + '-'.repeat(64));

export class OwnCookies implements CookieStyle {
  readonly loggedOut = json(200, {}, 'logged_out');
  readonly #tellsEnd: boolean;
  readonly #untilClosed: boolean;

  /**
   * @param tellsEnd whether answers say when the refresh token ends, which no script can read in the cookie
   * @param untilClosed whether browsers forget the cookie when they are closed: it gets no Max-Age
   */
  constructor({ tellsEnd, untilClosed = false }: { tellsEnd: boolean; untilClosed?: boolean | undefined }) {
    this.#tellsEnd = tellsEnd;
    this.#untilClosed = untilClosed;
  }

  /** A body's token goes first: it is of a new log-in. */
  find({ route, headers, hasBody, inBody }: Asking): string | Reply | Promise<string | Reply> {
    if (route !== 'refresh' && route !== 'blacklist') return inBody();
    return refuse(headers) ?? (hasBody ? undefined : read(headers)) ?? inBody();
  }

  /** The token that came may be in no cookie yet: it is that of a log-in. The browser forgets it when it can't be used any more. */
  hand(headers: IncomingHttpHeaders, granted: Granted): Handed | Reply {
    const { presented, access, refresh = presented, refreshExpiresAtSeconds, atUs } = granted;
    const mine = nameOf(headers);
    if (refresh.length > MOST_TOKEN_BYTES_OF_OWN)
      return cookieTooLarge('refresh', refresh.length, MOST_TOKEN_BYTES_OF_OWN);
    // Browsers send the oldest first (RFC 6265, 5.4).
    const others = cookiesOf(headers)
      .map(([name]) => name)
      .filter((name) => name !== mine);
    const tooMany = others.slice(0, Math.max(0, others.length + 1 - MAX_COOKIES));
    return {
      body: `{"access":"${access}"}`,
      cookies: [
        setCookie(
          mine,
          refresh,
          this.#untilClosed ? undefined : remainingSeconds(refreshExpiresAtSeconds, atUs),
        ),
        ...tooMany.map((name) => setCookie(name, '', 0)),
      ],
      headers: this.#tellsEnd ? sessionEnds(refreshExpiresAtSeconds) : [],
    };
  }

  clear(headers: IncomingHttpHeaders): string[] {
    return [setCookie(nameOf(headers), '', 0)];
  }
}

/** The answer to what isn't sent by our client in a page of this very origin. */
function refuse(headers: IncomingHttpHeaders): Reply | undefined {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') {
    return forbidden('Only pages of the same origin may use the refresh cookie.');
  }
  return sessionOf(headers) === undefined
    ? forbidden('The header X-Carelink-Session is required: 1 to 64 letters, digits, - and _.')
    : undefined;
}

/** The session's refresh token. */
function read(headers: IncomingHttpHeaders): string | undefined {
  const wanted = nameOf(headers);
  return cookiesOf(headers).find(([name]) => name === wanted)?.[1];
}

function setCookie(name: string, value: string, maxAgeSeconds: number | undefined): string {
  const maxAge = maxAgeSeconds === undefined ? '' : `Max-Age=${maxAgeSeconds}; `;
  return `${name}=${value}; ${maxAge}${ATTRIBUTES}`;
}

/** It becomes part of a cookie's name, so only what is harmless there is taken. */
function sessionOf(headers: IncomingHttpHeaders): string | undefined {
  const id = headers[SESSION_HEADER];
  return typeof id === 'string' && /^[\w-]{1,64}$/.test(id) ? id : undefined;
}

function nameOf(headers: IncomingHttpHeaders): string {
  return NAME + (sessionOf(headers) ?? '');
}

/** Ours among the cookies of a request. Their values are compact JWTs: never quoted or escaped. */
function cookiesOf(headers: IncomingHttpHeaders): [name: string, value: string][] {
  return (headers.cookie ?? '').split(';').flatMap((pair): [string, string][] => {
    const at = pair.indexOf('=');
    const name = pair.slice(0, at).trim();
    return at > 0 && name.startsWith(NAME) ? [[name, pair.slice(at + 1).trim()]] : [];
  });
}

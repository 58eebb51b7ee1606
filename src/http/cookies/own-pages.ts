import type { IncomingHttpHeaders } from 'node:http';
import type { Log } from '../../observe/log.js';
import { forbidden, type Reply } from '../respond.js';

const REFUSED = forbidden(
  "Only pages of this site's own origin, and of the origins that are allowed, may use these endpoints.",
);

const TELL_EVERY_MS = 10 * 60_000;

/**
 * Keeps the endpoints to pages of this origin and of listed ones, where cookies alone don't: a foreign page's form could
 * log its visitor out, or in as somebody else. Browsers say where a request comes from in headers that no page can set.
 * Clients that send neither of the two are no browsers, and hold no one's cookies.
 */
export class OwnPages {
  readonly #isListed: (origin: string) => boolean;
  readonly #secure: boolean;
  readonly #log: Log;
  #count = 0;
  #toldAtMs = -Infinity;

  /** @param secure the site's own pages are on https */
  constructor(isListed: (origin: string) => boolean, secure: boolean, log: Log) {
    this.#isListed = isListed;
    this.#secure = secure;
    this.#log = log;
  }

  refuse(headers: IncomingHttpHeaders): Reply | undefined {
    if (this.#admits(headers)) return undefined;
    this.#note();
    return REFUSED;
  }

  #admits({ origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
    if (origin !== undefined && this.#isListed(origin)) return true;
    if (site !== undefined && site !== 'same-origin') return false;
    if (origin === undefined) return true;
    // Some proxies leave the port out of Host. Where the browser itself says that the origin is the same, that is fine.
    return site === undefined
      ? isOrigin(origin, host, this.#secure)
      : nameOf(origin) === nameOf(`//${host ?? ''}`);
  }

  /** A proxy that puts another name into Host would have every page refused, and the log say nothing. */
  #note(): void {
    this.#count++;
    const nowMs = performance.now();
    if (nowMs - this.#toldAtMs < TELL_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    this.#log.warn('page_refused', {
      count: this.#count,
      cause:
        'pages of an origin that is neither this one nor in --cors-origin called the endpoints and got 403. If it was ' +
        "your own page, let the reverse proxy pass on the browser's Host, or name its origin with --cors-origin",
    });
    this.#count = 0;
  }
}

/** Whether an origin is that of a host as browsers write it: the port only where it isn't the scheme's own. */
function isOrigin(origin: string, host: string | undefined, secure: boolean): boolean {
  const [, scheme, authority] = /^(https?):\/\/([^/?#@,\s]+)$/.exec(origin) ?? [];
  if (host === undefined || authority === undefined || (secure && scheme !== 'https')) return false;
  return authority === host.toLowerCase().replace(scheme === 'https' ? /:443$/ : /:80$/, '');
}

/** The name alone, without scheme and port; undefined where there is none. */
function nameOf(origin: string): string | undefined {
  return /^(?:https?:)?\/\/([^/?#@,\s]+?)(?::\d+)?$/i.exec(origin)?.[1]?.toLowerCase();
}

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Reply } from './respond.js';

/**
 * An origin whose pages may read answers (https://fetch.spec.whatwg.org/#http-cors-protocol).
 * `under`: each host name that ends with the suffix, which begins with a dot.
 */
export type AllowedOrigin =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact'; readonly origin: string }
  | { readonly kind: 'under'; readonly scheme: string; readonly suffix: string; readonly port: string };

/** An origin with a host name, as a browser writes it: lower case, and no port where it is the scheme's own. */
const BELOW = /^(https?:)\/\/([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(\d+))?$/;

/** Any origin but `null`: of addresses, and of apps (`capacitor://localhost`), too. `file://` has no host. */
const ANY = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@,]+$/;

/** What a script may read of an answer beside its body: the TokenManager takes the server's clock from `Date`. */
const EXPOSED = 'Date, Retry-After, X-Token-Refreshed, X-Refresh-Time, X-Session-Ends, X-Request-Id';

/**
 * Those that django-cors-headers allows by default, and those that this server and tracing read. Its list of before 4.0 has
 * Accept-Encoding, DNT and Origin as well, which no page can set and no preflight asks for.
 */
const ALLOWED_HEADERS: readonly string[] = [
  'accept', 'authorization', 'content-type', 'traceparent', 'tracestate', 'user-agent', 'x-carelink-rotation', 'x-csrftoken',
  'x-requested-with',
]; // prettier-ignore

/** A day, as django-cors-headers says; browsers cut it to two hours or less. */
const MAX_AGE_SECONDS = 86_400;

const VARY = ['Vary', 'Origin'] as const;

const CREDENTIALS = ['Access-Control-Allow-Credentials', 'true'] as const;

/**
 * Lets pages of listed origins use the token endpoints. Where tokens travel in bodies nothing is said of credentials: a
 * browser sends no cookie, and a cookie would mean nothing here.
 */
export class Cors {
  readonly #credentials: boolean;
  readonly #any: boolean;
  readonly #exact: ReadonlySet<string>;
  readonly #under: readonly Extract<AllowedOrigin, { kind: 'under' }>[];

  readonly #headers: string;

  /**
   * @param credentials pages of origins that are listed by name may send cookies, and keep them; never those by a wildcard
   * @param headers that pages may send beside the usual ones, in lower case
   */
  constructor(origins: readonly AllowedOrigin[], credentials = false, headers: readonly string[] = []) {
    this.#credentials = credentials;
    this.#headers = [...new Set([...ALLOWED_HEADERS, ...headers])].join(', ');
    this.#any = origins.some(({ kind }) => kind === 'any');
    this.#exact = new Set(origins.flatMap((one) => (one.kind === 'exact' ? [one.origin] : [])));
    this.#under = origins.filter((one) => one.kind === 'under');
  }

  /** Whether pages of an origin may read answers. `null` is the origin of any sandbox, and of none in particular. */
  allows(origin: string): boolean {
    if (this.#exact.has(origin)) return true;
    if (this.#any) return ANY.test(origin);
    const [, scheme, host = '', port = ''] = BELOW.exec(origin) ?? [];
    return this.#under.some(
      (one) => one.scheme === scheme && one.port === port && host.endsWith(one.suffix) && host !== one.suffix,
    );
  }

  /**
   * Puts on a response what its answer needs, whatever that will be: an error that a page can't read would be told to its
   * user as a network that is down. Returns the answer to a preflight; undefined for any other request.
   */
  begin(
    request: Pick<IncomingMessage, 'headers' | 'method'>,
    response: { setHeader(name: string, value: string): unknown },
  ): Reply | undefined {
    const { headers } = request;
    const allowed = headers.origin !== undefined && this.allows(headers.origin);
    if (request.method === 'OPTIONS' && headers['access-control-request-method'] !== undefined)
      return this.#preflight(allowed ? headers : undefined, this.#takesCredentials(headers.origin));
    response.setHeader(...VARY);
    if (allowed) {
      response.setHeader('Access-Control-Allow-Origin', headers.origin as string);
      response.setHeader('Access-Control-Expose-Headers', EXPOSED);
      if (this.#takesCredentials(headers.origin)) response.setHeader(...CREDENTIALS);
    }
    return undefined;
  }

  #takesCredentials(origin: string | undefined): boolean {
    return this.#credentials && origin !== undefined && this.#exact.has(origin);
  }

  /** The same for every path: that nothing is there is for the request itself to be told. */
  #preflight(headers: IncomingHttpHeaders | undefined, credentials: boolean): Reply {
    const allowed =
      headers?.origin === undefined
        ? []
        : [
            'Access-Control-Allow-Origin', headers.origin,
            'Access-Control-Allow-Methods', 'GET, HEAD, POST, OPTIONS',
            'Access-Control-Allow-Headers', this.#headers,
            'Access-Control-Max-Age', String(MAX_AGE_SECONDS),
            ...(credentials ? CREDENTIALS : []),
          ]; // prettier-ignore
    return new Reply(204, [...VARY, ...allowed], '', 'valid');
  }
}

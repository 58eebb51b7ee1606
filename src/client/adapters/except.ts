import type { Members } from '../members.js';

/** As much of a TokenManager as sends requests. */
export type Sender = Pick<Members, 'authenticatedFetch'>;

export interface AdapterOptions {
  /**
   * Paths, and what is below them, to which requests go as they are: without a token, and whether or not somebody is signed in. The
   * log-in is such a one. `/account/token/` if not given, where simplejwt's and our endpoints are as a rule.
   */
  readonly except?: readonly string[];
}

/** The `fetch` of a signed-in user for a library that sends by itself. */
export function fetchOf(
  { authenticatedFetch }: Sender,
  { except = ['/account/token/'] }: AdapterOptions,
): typeof fetch {
  return (input, init) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input, location.href);
    const isExcepted = except.some((path) => pathname.startsWith(path));
    return isExcepted ? fetch(input, init) : authenticatedFetch(input, init);
  };
}

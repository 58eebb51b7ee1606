import { domainToUnicode } from 'node:url';
import type { ValueKind } from './kinds.js';

/** An origin, or all below a domain, or any; http/cors.ts compares them. */
export type CorsOrigin =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact'; readonly origin: string }
  /** `suffix` begins with a dot; `port` is '' for the scheme's own. */
  | { readonly kind: 'under'; readonly scheme: string; readonly suffix: string; readonly port: string };

/** `https://*.example.org`: a wildcard stands for whole labels, and there must be a name left to own. */
const WILDCARD = /^(https?:)\/\/\*(\.[a-z0-9_-]+(?:\.[a-z0-9_-]+)+)(?::(\d{1,5}))?$/i;

/** What the shells of apps write: `capacitor://localhost`, `ionic://localhost`. */
const APP = /^(?!https?:|ftp:|file:|wss?:|data:|blob:)[a-z][a-z0-9+.-]*:\/\/[a-z0-9_.-]+$/i;

/** An origin whose pages may call the token endpoints. */
export const corsOrigin: ValueKind<CorsOrigin> = {
  placeholder: 'origin',
  allowed: 'an origin such as https://app.example.org, https://*.example.org or *',
  parse(text) {
    if (text === '*') return { kind: 'any' };
    if (APP.test(text)) return { kind: 'exact', origin: text.toLowerCase() };
    const [, scheme, suffix, port = ''] = WILDCARD.exec(text) ?? [];
    if (scheme !== undefined && suffix !== undefined) {
      const below = originOf(`${scheme}//a${suffix}${port && `:${port}`}`);
      return (
        below && { kind: 'under', scheme: below.protocol, suffix: suffix.toLowerCase(), port: below.port }
      );
    }
    const url = originOf(text);
    return url === undefined || url.pathname !== '/' || text.endsWith('/')
      ? undefined
      : { kind: 'exact', origin: url.origin };
  },
  explain(text) {
    if (text.toLowerCase() === 'null')
      return 'null is the origin of every sandboxed frame and local file: it can not be allowed';
    const url = originOf(text);
    if (url === undefined) return undefined;
    return `An origin has no path and no slash at its end: ${url.origin}`;
  },
};

function originOf(text: string): URL | undefined {
  if (!/^https?:\/\/[^*]*$/i.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  // A label that can't be decoded is no name that a browser has. Node 20 and 22 refuse it; from 24 on it passes the parser.
  if (/(^|\.)xn--/.test(domainToUnicode(url.hostname))) return undefined;
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '' ? url : undefined;
}

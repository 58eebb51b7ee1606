import { isIP, isIPv6 } from 'node:net';
import { oneOf, type ValueKind } from './kinds.js';
import { inGroup, list, optional, valued } from './option.js';
import { corsOrigin } from './origin-kind.js';

export interface Range {
  readonly address: string;
  readonly prefix: number;
}

export interface Rate {
  readonly count: number;
  readonly periodMs: number;
}

/** Whoever connects to the socket of `--host unix:/path`: it is this machine's reverse proxy. */
export const UNIX = 'unix:';

/** `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`, `unix:`. */
const cidr: ValueKind<Range> = {
  placeholder: 'cidr',
  allowed: 'an address or a range such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32, or unix:',
  parse(text) {
    if (text === UNIX) return { address: UNIX, prefix: 0 };
    const [address = '', prefix, ...more] = text.split('/');
    if (isIP(address) === 0 || address.includes('%') || more.length > 0) return undefined;
    const most = isIPv6(address) ? 128 : 32;
    if (prefix === undefined) return { address, prefix: most };
    return /^\d{1,3}$/.test(prefix) && Number(prefix) <= most
      ? { address, prefix: Number(prefix) }
      : undefined;
  },
};

/** The name of a header, in lower case. */
const headerName: ValueKind<string> = {
  placeholder: 'header',
  allowed: 'the name of a header',
  parse: (text) => (/^[!#$%&'*+.^_`|~\w-]{1,64}$/.test(text) ? text.toLowerCase() : undefined),
};

/** A header that a page of another origin sends along. */
const corsHeader: ValueKind<string> = {
  placeholder: 'header',
  allowed: 'the name of a header, such as X-Tenant',
  parse: (text) => (text === '*' ? undefined : headerName.parse(text)),
  explain: (text) =>
    text === '*'
      ? 'Browsers do not take * where cookies or Authorization go along: name each header'
      : undefined,
};

const PERIODS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** As DRF writes rates: `30/m`, `100/day`; it reads the first letter of the period, too. */
const rate: ValueKind<Rate> = {
  placeholder: 'rate',
  allowed: 'a rate such as 5/s, 30/m, 600/h or 2000/d',
  parse(text) {
    const [, count = '', period = ''] =
      /^(\d{1,7})\/(s|m|h|d|sec|second|min|minute|hour|day)$/.exec(text) ?? [];
    const periodMs = PERIODS_MS[period.charAt(0)];
    return periodMs === undefined || Number(count) === 0 ? undefined : { count: Number(count), periodMs };
  },
};

/** What stands between browsers and this server: other origins, proxies, clients that come too often. */
export const EDGE_OPTIONS = {
  ...inGroup('Browsers', {
    'cors-origin': list(corsOrigin, {
      help: 'an origin whose pages may call the token endpoints from a browser: https://app.example.org, https://*.example.org, *',
    }),
    'cors-header': list(corsHeader, {
      help: 'a header of your own that those pages may send, such as X-Tenant: beside those that django-cors-headers allows by default',
    }),
  }),
  ...inGroup('Proxies and limits', {
    'trusted-proxy': list(cidr, {
      help: 'a proxy, or a range of them, whose word on the address of a client is taken; unix: the one at the socket of --host unix:/path',
    }),
    'client-address-header': valued(headerName, {
      default: 'X-Forwarded-For',
      help: 'the one header in which those proxies tell it; Forwarded is read by RFC 7239',
    }),
    'throttle-user': optional(rate, {
      help: 'refreshes that a user may make, such as 30/m: beyond it 429, before the database is asked; in each process',
      absentText: 'no limit',
    }),
    'throttle-address': optional(rate, {
      help: 'forged tokens that an address may send, such as 600/m: beyond it they get 429; good tokens never do; in each process',
      absentText: 'no limit',
    }),
  }),
  ...inGroup('Logs and alerts', {
    'access-log': valued(oneOf(['off', 'errors', 'all']), {
      default: 'off',
      help: 'log requests to the token endpoints: none, those that are not answered with 200, all',
    }),
  }),
};

import type { Range } from './edge-options.js';
import type { CorsOrigin } from './origin-kind.js';
import type { Resolved } from './resolve.js';
import type { SERVE_OPTIONS } from './serve-options.js';

interface Rate {
  readonly count: number;
  readonly periodMs: number;
}

/** What stands between browsers and the server. */
export interface EdgeSettings {
  /** Whose pages may call the endpoints from another origin. None: nobody's. */
  readonly corsOrigins: readonly CorsOrigin[];
  readonly trustedProxies: {
    readonly ranges: readonly Range[];
    /** In lower case. */
    readonly header: string;
  };
  /** Undefined: no limit. */
  readonly throttle: { readonly user: Rate | undefined; readonly address: Rate | undefined };
  readonly accessLog: 'off' | 'errors' | 'all';
}

export function edgeSettings(
  { values, given }: Resolved<typeof SERVE_OPTIONS>,
  problems: string[],
): EdgeSettings {
  if (values['refresh-cookie'] && values['cors-origin'].length > 0) {
    problems.push(
      '--refresh-cookie is for pages of the same origin alone: it excludes --cors-origin. Without it tokens travel in bodies.',
    );
  }
  if (given['client-address-header'] !== undefined && values['trusted-proxy'].length === 0) {
    problems.push(
      '--client-address-header is read where a trusted proxy wrote it: name your proxies with --trusted-proxy.',
    );
  }
  return {
    corsOrigins: values['cors-origin'],
    trustedProxies: { ranges: values['trusted-proxy'], header: values['client-address-header'] },
    throttle: { user: values['throttle-user'], address: values['throttle-address'] },
    accessLog: values['access-log'],
  };
}

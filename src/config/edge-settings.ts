import { UNIX } from './edge-options.js';
import type { Resolved } from './resolve.js';
import type { SERVE_OPTIONS } from './serve-options.js';
import type { EdgeSettings } from './parts.js';
import { socketIn } from './network-kinds.js';

/** What the options for proxies, other origins and rates come to. */
export function edgeSettings(
  { values, given }: Resolved<typeof SERVE_OPTIONS>,
  problems: string[],
): EdgeSettings {
  if (values['cors-header'].length > 0 && values['cors-origin'].length === 0) {
    problems.push('--cors-header is for pages of other origins: name their origins with --cors-origin.');
  }
  if (given['client-address-header'] !== undefined && values['trusted-proxy'].length === 0) {
    problems.push(
      '--client-address-header is read where a trusted proxy wrote it: name your proxies with --trusted-proxy.',
    );
  }
  if (
    values['trusted-proxy'].some(({ address }) => address === UNIX) &&
    socketIn(values.host) === undefined
  ) {
    problems.push('--trusted-proxy unix: is for a socket: it needs --host unix:/path.');
  }
  return {
    corsOrigins: values['cors-origin'],
    corsHeaders: values['cors-header'],
    trustedProxies: { ranges: values['trusted-proxy'], header: values['client-address-header'] },
    throttle: { user: values['throttle-user'], address: values['throttle-address'] },
    accessLog: values['access-log'],
  };
}

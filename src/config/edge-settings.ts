import type { Resolved } from './resolve.js';
import type { SERVE_OPTIONS } from './serve-options.js';
import type { EdgeSettings } from './settings.js';

/** What the options for proxies, other origins and rates come to. */
export function edgeSettings(
  { values, given }: Resolved<typeof SERVE_OPTIONS>,
  problems: string[],
): EdgeSettings {
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

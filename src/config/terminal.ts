import type { Environment } from './resolve.js';

/** https://no-color.org: set to anything but nothing, it forbids colour. */
export function colourForbidden(env: Environment): boolean {
  return (env['NO_COLOR'] ?? '') !== '';
}

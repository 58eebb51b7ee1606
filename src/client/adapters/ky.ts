import { fetchOf, type AdapterOptions, type Sender } from './except.js';

export type { AdapterOptions, Sender };

/** What of ky, or of an instance of it, this needs. */
export interface KyLike<Instance> {
  extend(options: { fetch: typeof fetch }): Instance;
}

/**
 * A ky instance that sends as the signed-in user: by `authenticatedFetch`, so that its requests share the refresh of all others, are
 * repeated once after a 401, and end with their session. The time that a request waits for a refresh counts for ky's `timeout`.
 *
 * @returns a new instance. Its requests reject with a TokenError where nobody is signed in
 */
export function kyWithTokens<Instance>(
  ky: KyLike<Instance>,
  manager: Sender,
  options: AdapterOptions = {},
): Instance {
  return ky.extend({ fetch: fetchOf(manager, options) });
}

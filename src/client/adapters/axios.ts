import { fetchOf, type AdapterOptions, type Sender } from './except.js';

export type { AdapterOptions, Sender };

/** What of an axios instance (1.12 or later) this sets. */
export interface AxiosLike {
  readonly defaults: { adapter?: unknown; env?: object };
}

/**
 * Has an axios instance send as the signed-in user: by `authenticatedFetch`, so that its requests share the refresh of all
 * others, are repeated once after a 401, and end with their session. It is not done by interceptors, for those see an answer only
 * when it has arrived, perhaps in the session of the next user.
 *
 * @returns the same instance. Its errors have the `code` of a TokenError, such as SIGNED_OUT
 */
export function axiosWithTokens<Instance extends AxiosLike>(
  instance: Instance,
  manager: Sender,
  options: AdapterOptions = {},
): Instance {
  const { defaults } = instance;
  defaults.adapter = 'fetch';
  defaults.env = { ...defaults.env, fetch: fetchOf(manager, options) };
  return instance;
}

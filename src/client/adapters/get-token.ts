import type { Members } from '../members.js';

export interface GetTokenOptions {
  /** How long the token must live at least, in seconds. 5 if not given. */
  readonly minValiditySeconds?: number;
}

/** Of a token that this has fetched: one that never lives so long is fetched so often at most. */
const LEAST_MS = 30_000;

/** The token that was fetched last, and when; by the manager's function, which is its own. */
const fetched = new WeakMap<object, { readonly token: string; readonly atMs: number }>();

/**
 * The access token, for what sends it by itself: a WebSocket, a library without an adapter. Refreshed first where it lives for less
 * than `minValiditySeconds`; all who ask share one refresh.
 *
 * @throws TokenError
 */
export async function getToken(
  manager: Pick<Members, 'ready' | 'getAccessToken' | 'getSnapshot' | 'refreshAccessToken'>,
  { minValiditySeconds = 5 }: GetTokenOptions = {},
): Promise<string> {
  const { ready, getAccessToken, getSnapshot, refreshAccessToken } = manager;
  if (getAccessToken() === undefined) await ready;
  const token = getAccessToken();
  const leftMs = (getSnapshot().accessExpiresAt ?? 0) - Date.now();
  const last = fetched.get(refreshAccessToken);
  // A clock that was set back meanwhile makes it no longer.
  const isNew = last?.token === token && Math.abs(Date.now() - (last?.atMs ?? 0)) < LEAST_MS;
  if (token !== undefined && (leftMs >= minValiditySeconds * 1_000 || (isNew && leftMs > 0))) return token;
  const next = await refreshAccessToken();
  fetched.set(refreshAccessToken, { token: next, atMs: Date.now() });
  return next;
}

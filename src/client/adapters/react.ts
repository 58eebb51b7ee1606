import type { Members } from '../members.js';
import type { TokenSnapshot } from '../options.js';

/** React's own. */
export type UseSyncExternalStore = <Snapshot>(
  subscribe: (changed: () => void) => () => void,
  snapshot: () => Snapshot,
  serverSnapshot: () => Snapshot,
) => Snapshot;

/** What a server knows of a session: nothing. The first render in the browser must show the same as the server's. */
const UNKNOWN: TokenSnapshot = {
  status: 'restoring',
  refreshing: false,
  userId: undefined,
  accessExpiresAt: undefined,
  sessionEndsAt: undefined,
  session: undefined,
  generation: 0,
};

/**
 * Makes a hook that gives a component the manager's snapshot, in step with all tabs. On a server, and while a page that came from one
 * is hydrated, its status is `restoring`.
 *
 * @param useSyncExternalStore of the React that you use, from 18 on: this module imports none
 */
export function sessionHook(
  { subscribe, getSnapshot }: Pick<Members, 'subscribe' | 'getSnapshot'>,
  useSyncExternalStore: UseSyncExternalStore,
): () => TokenSnapshot {
  return () => useSyncExternalStore(subscribe, getSnapshot, () => UNKNOWN);
}

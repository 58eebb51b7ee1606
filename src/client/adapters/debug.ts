import type { Members } from '../members.js';

/** What became of a refresh, and why. */
export type RefreshNote =
  /** `restored`: a page was loaded; `expired`: the token is of no more use; `due`: it will soon be; `asked`: none of these. */
  | { readonly what: 'started'; readonly why: 'restored' | 'expired' | 'due' | 'asked' }
  /** `turn`: another tab or the worker has the lock; `server`: it was put off, or not reached, and is tried again after `ms`. */
  | { readonly what: 'waits'; readonly why: 'turn' }
  | { readonly what: 'waits'; readonly why: 'server'; readonly ms: number }
  /** `here`: by this tab's refresh, or while it waited; `elsewhere`: another tab's or the worker's tokens came by themselves. */
  | { readonly what: 'done'; readonly why: 'here' | 'elsewhere' }
  /** The code of a TokenError; `ended`: the session is over, or another one; `nothing`: there was nothing left to do. */
  | { readonly what: 'dropped'; readonly why: string };

/** A token that is closer to its end is refreshed in the background; see docs/browser-client.md. */
const DUE_MS = 120_000;
const LOOK_MS = 200;

/**
 * Tells why refreshes of this tab start, wait and come to nothing, for the console of whoever looks for a fault. It reads what a
 * manager shows to everybody, and changes nothing.
 *
 * @param note takes each of them; `console.debug` if not given
 * @returns ends it
 */
export function debugRefreshes(
  { on, subscribe, getSnapshot }: Pick<Members, 'on' | 'subscribe' | 'getSnapshot'>,
  note: (note: RefreshNote) => void = (one) => globalThis.console.debug('carelink-tokens', one),
): () => void {
  let { refreshing: was, session, generation } = getSnapshot();
  let begun = getSnapshot();
  let failure: string | undefined;
  let waits = false;
  let timer: ReturnType<typeof setInterval> | undefined;

  // A lock that is waited for shows among those that are pending; nobody tells of it.
  const look = async (): Promise<void> => {
    const { locks } = navigator as { locks?: LockManager };
    const isOurs = ({ name = '' }: LockInfo): boolean => name.startsWith('carelink-tokens:');
    const { held = [], pending = [] } = (await locks?.query().catch(() => undefined)) ?? {};
    if (!was || waits || !held.some(isOurs) || !pending.some(isOurs)) return;
    waits = true;
    note({ what: 'waits', why: 'turn' });
  };
  const changed = (): void => {
    const now = getSnapshot();
    const moved = now.session === session && now.generation > generation;
    if (now.refreshing && !was) {
      failure = undefined;
      waits = false;
      begun = now;
      timer = setInterval(() => void look(), LOOK_MS);
      note({ what: 'started', why: whyNow(now) });
    }
    if (moved) note({ what: 'done', why: was ? 'here' : 'elsewhere' });
    if (was && !now.refreshing) {
      clearInterval(timer);
      if (now.session !== begun.session) failure = 'ended';
      // The rotation may have been told before the refresh was over.
      if (!moved && (failure === 'ended' || generation === begun.generation))
        note({ what: 'dropped', why: failure ?? 'nothing' });
    }
    ({ refreshing: was, session, generation } = now);
  };
  const off = [
    subscribe(changed),
    on('failed', ({ error, retryInMs }) => {
      if (error) failure = error.code;
      if (retryInMs !== undefined) note({ what: 'waits', why: 'server', ms: Math.round(retryInMs) });
    }),
  ];
  return () => {
    clearInterval(timer);
    for (const one of off) one();
  };
}

function whyNow({
  status,
  accessExpiresAt,
}: ReturnType<Members['getSnapshot']>): 'restored' | 'expired' | 'due' | 'asked' {
  if (status === 'restoring') return 'restored';
  const leftMs = (accessExpiresAt ?? 0) - Date.now();
  return leftMs <= 5_000 ? 'expired' : leftMs <= DUE_MS ? 'due' : 'asked';
}

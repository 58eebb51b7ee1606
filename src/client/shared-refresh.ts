import { bounded } from './bounded.js';
import { signedOut, TokenError } from './errors.js';
import type { Session } from './session.js';
import type { TabParts } from './tab.js';

export interface SharedRefreshParts extends TabParts {
  /** Brings a session to its next generation. */
  readonly refresh: (session: Session) => Promise<void>;
  readonly maxQueue: number;
}

export interface SharedRefresh {
  /** The one that is under way. */
  running: Promise<void> | undefined;
  /** Begins a refresh of the current session, or joins the one that is under way. */
  readonly now: (afterMs?: number) => Promise<void>;
  /** Waits for it, or for more, as one of many requests does. An abort takes away its own caller only. */
  wait(signal: AbortSignal, it: () => Promise<void>): Promise<void>;
}

/** One refresh for all who ask, however many they are, and the bounds of their waiting. */
export function sharedRefresh(parts: SharedRefreshParts): SharedRefresh {
  const { state, refresh, emit, gone, patienceMs, maxQueue } = parts;
  /** The session it is for: after a change of user nobody joins the former one's. */
  let runningFor: string | undefined;
  let waiting = 0;

  async function begin(session: Session, afterMs: number): Promise<void> {
    try {
      if (afterMs) await state.until(() => state.moved(session), afterMs);
      await refresh(session);
    } catch (error) {
      if ((error as TokenError).code !== 'SIGNED_OUT') emit('failed', { error: error as TokenError });
      throw error;
    } finally {
      if (runningFor === session.id) self.running = runningFor = undefined;
      state.nudge();
    }
    gone.throwIfAborted();
  }

  async function now(afterMs = 0): Promise<void> {
    const session = state.current;
    if (!session) throw signedOut();
    if (runningFor !== session.id) {
      runningFor = session.id;
      self.running = begin(session, afterMs);
      state.nudge();
    }
    return self.running;
  }

  const self: SharedRefresh = {
    running: undefined,
    now,
    async wait(signal, it) {
      if (waiting >= maxQueue) throw new TokenError('QUEUE_FULL');
      waiting += 1;
      try {
        await bounded(it(), patienceMs, () => Promise.reject(new TokenError('UNAVAILABLE')), signal);
      } finally {
        waiting -= 1;
      }
    },
  };
  return self;
}

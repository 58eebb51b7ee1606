import { endOf, endsAtMs, leastMs, refreshAtMs } from './clock.js';
import type { Session } from './session.js';
import { catchUp, type TabParts } from './tab.js';
import { onWakeUps } from './wake-ups.js';
import type { AskWorker } from './worker.js';

/** A worker that has not answered by then was killed, or can't reach the server. */
const WORKER_MS = 5_000;

export interface BackgroundParts extends TabParts {
  readonly askWorker: AskWorker | undefined;
  /** Whether to refresh before somebody asks. */
  readonly background: boolean;
  readonly refresh: () => Promise<void>;
  /** Tells the server of the log-outs that it doesn't know of yet. */
  readonly pay: () => Promise<unknown>;
  /** How long before its end a session is said to expire. */
  readonly expiringMs: number;
}

/**
 * Keeps a session going that nobody asks for: looks, whenever the tab may have slept, whether it has moved on or
 * ended meanwhile, and refreshes where it is time.
 */
export function keepFresh(parts: BackgroundParts): void {
  const { state, idle, askWorker, background, refresh, pay, expiringMs, emit } = parts;
  /** The end that was told of last. */
  let told: number | undefined;

  const check = async (): Promise<number> => {
    void pay();
    const session = state.current;
    if (!session) return Infinity;
    await (state.looking = catchUp(parts, session));
    try {
      if (dueInMs() <= 0 && !state.moved(session)) {
        if (!(await byWorker(session))) await refresh();
      }
    } finally {
      // Also where it could not be refreshed: that is how a session ends that has no end of its own.
      tell();
    }
    return dueInMs();
  };

  // A server that wants to be left alone is left alone by the worker, too.
  const dueInMs = (): number => {
    const { current } = state;
    return background && current
      ? Math.max(refreshAtMs(current) - Date.now(), leastMs(current.access) - state.ageMs, state.restMs)
      : Infinity;
  };

  const tell = (): void => {
    const { current } = state;
    const ends = current && endOf(current);
    const endsAt = endsAtMs(current) ?? 0;
    if (!ends || ends === told || endsAt - expiringMs > Date.now()) return;
    told = ends;
    emit('expiring', { session: current.id, endsAt });
  };

  const byWorker = async (session: Session): Promise<boolean> =>
    !!askWorker?.(session, idle?.endsAt) && state.until(() => state.moved(session), WORKER_MS);

  onWakeUps(parts.gone, check, () => state.nudge());
}

import { endOf, refreshAtMs } from './clock.js';
import type { Session } from './session.js';
import { catchUp, type TabParts } from './tab.js';
import { onWakeUps } from './wake-ups.js';
import type { WorkerLink } from './worker-link.js';

/** A worker that has not answered by then was killed, or can't reach the server. */
const WORKER_MS = 5_000;

export interface BackgroundParts extends TabParts {
  readonly worker: WorkerLink | undefined;
  /** Whether to refresh before somebody asks. */
  readonly background: boolean;
  readonly refresh: () => Promise<void>;
  /** How long before its end a session is said to expire. */
  readonly expiringMs: number;
  readonly expiring: (session: string, endsAt: number) => void;
}

/**
 * Keeps a session going that nobody asks for: looks, whenever the tab may have slept, whether it has moved on or
 * ended meanwhile, and refreshes where it is time.
 */
export function keepFresh(parts: BackgroundParts): void {
  const { state, worker, background, refresh, expiringMs, expiring } = parts;
  /** The end that was told of last. */
  let told: number | undefined;

  const check = async (): Promise<number> => {
    const session = state.current;
    if (!session) return Infinity;
    await catchUp(parts, session);
    try {
      // A server that wants to be left alone is left alone by the worker, too.
      if (mayRefresh() && refreshAtMs(session) <= Date.now() && !state.moved(session)) {
        if (!(await byWorker(session))) await refresh();
      }
    } finally {
      // Also where it could not be refreshed: that is how a session ends that has no end of its own.
      tell();
    }
    const { current } = state;
    return current && mayRefresh() ? refreshAtMs(current) - Date.now() : Infinity;
  };

  const mayRefresh = (): boolean => background && state.restMs <= 0;

  const tell = (): void => {
    const { current } = state;
    const ends = current && endOf(current);
    if (!ends || ends === told || ends - current.skewMs - expiringMs > Date.now()) return;
    told = ends;
    expiring(current.id, ends - current.skewMs);
  };

  const byWorker = async (session: Session): Promise<boolean> =>
    !!worker?.schedule(session) && state.until(() => state.moved(session), WORKER_MS);

  onWakeUps(parts.gone, check, () => state.nudge());
}

import { refreshAtMs } from './clock.js';
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
}

/**
 * Keeps a session going that nobody asks for: looks, whenever the tab may have slept, whether it has moved on or
 * ended meanwhile, and refreshes where it is time.
 */
export function keepFresh(parts: BackgroundParts): void {
  const { state, worker, background, refresh } = parts;

  const check = async (): Promise<number> => {
    const session = state.current;
    if (!session) return Infinity;
    await catchUp(parts, session);
    // A server that wants to be left alone is left alone by the worker, too.
    if (!background || state.notBeforeMs > Date.now()) return Infinity;
    if (refreshAtMs(session) <= Date.now() && !state.moved(session)) {
      if (!(await byWorker(session))) await refresh();
    }
    const { current } = state;
    return current ? refreshAtMs(current) - Date.now() : Infinity;
  };

  const byWorker = async (session: Session): Promise<boolean> =>
    !!worker?.schedule(session) && state.until(() => state.moved(session), WORKER_MS);

  onWakeUps(parts.gone, check, () => state.nudge());
}

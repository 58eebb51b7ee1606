import { expiresAtMs } from './clock.js';
import type { ScheduleTokenRefresh } from './messages.js';
import { isSession, type Session } from './session.js';

/** What a manager takes as its option `serviceWorker`; `refreshWorker()` makes one. */
export type WorkerLink = (
  /** Of the manager's lock and ledger. */
  name: string,
  refreshUrl: string,
  /** Aborted by dispose(). */
  gone: AbortSignal,
  heard: (next: Session) => void,
) => AskWorker;

/**
 * Hands a refresh over. False where there is no worker to take it.
 *
 * @param notAfter when the session is idle, in ms since the epoch
 */
export type AskWorker = (session: Session, notAfter: number | undefined) => boolean;

/** Absent on pages without https, and refused in a frame that has no origin. */
function workers(): ServiceWorkerContainer | undefined {
  try {
    return (navigator as Partial<Navigator>).serviceWorker;
  } catch {
    return undefined;
  }
}

/**
 * Has a service worker refresh, where it is there. It can be away at any time: never registered, being updated, killed. So it is
 * only ever asked, and whoever asked looks after the matter alone when no answer comes. The page need not be in the
 * worker's scope.
 *
 * @param url of the script, same origin
 */
export function refreshWorker(url: string): WorkerLink {
  return (name, refreshUrl, gone, heard) => {
    const container = workers();
    let registration: ServiceWorkerRegistration | undefined;
    container?.register(url).then(
      (registered) => (registration = registered),
      () => undefined,
    );
    const onMessage = ({ data }: MessageEvent<unknown>): void => {
      const { type, tokens, session: id, ...rest } = (data ?? {}) as Record<string, unknown>;
      const next = { ...(tokens as Partial<Session>), id, ...rest };
      if (type === 'TOKEN_REFRESHED' && isSession(next)) heard(next);
    };
    container?.addEventListener('message', onMessage, { signal: gone });

    return (session, notAfter) => {
      const worker = registration?.active;
      worker?.postMessage({
        type: 'SCHEDULE_TOKEN_REFRESH',
        refreshToken: session.refresh,
        expirationTime: expiresAtMs(session),
        session: session.id,
        generation: session.generation,
        shared: session.shared,
        notAfter,
        // One script has one worker, whatever number of managers use it.
        refreshUrl: new URL(refreshUrl, location.href).href,
        name,
      } satisfies ScheduleTokenRefresh);
      return !!worker;
    };
  };
}

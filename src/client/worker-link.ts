import { expiresAtMs, refreshAtMs } from './clock.js';
import type { ScheduleTokenRefresh } from './messages.js';
import { isSession, type Session } from './session.js';
import type { TabParts } from './tab.js';

export interface WorkerLink {
  /** Hands a refresh over. False where there is no worker to take it. */
  schedule(session: Session): boolean;
}

export interface WorkerLinkOptions extends TabParts {
  /** Of the script. */
  readonly url: string;
  readonly refreshUrl: string;
  readonly cookie: boolean;
}

/**
 * A worker can be away at any time: never registered, being updated, killed. So it is only ever asked, and whoever
 * asked looks after the matter alone when no answer comes. The page need not be in the worker's scope.
 */
export function linkWorker(options: WorkerLinkOptions): WorkerLink {
  const { url, state } = options;
  // Absent on pages without https.
  const container = (navigator as Partial<Navigator>).serviceWorker;
  let registration: ServiceWorkerRegistration | undefined;
  const refresh = new URL(options.refreshUrl, location.href).href;
  const query = new URLSearchParams({
    refresh,
    name: options.lockName,
    ...(options.cookie && { cookie: '1' }),
  });
  container?.register(`${url}?${query}`).then(
    (registered) => (registration = registered),
    () => undefined,
  );

  const onMessage = ({ data }: MessageEvent<unknown>): void => {
    const { type, tokens, session: id, ...rest } = (data ?? {}) as Record<string, unknown>;
    if (type === 'TOKEN_REFRESHED') {
      const next = { ...(tokens as Partial<Session>), id, ...rest };
      if (isSession(next)) state.adopt(next);
    }
  };
  container?.addEventListener('message', onMessage, { signal: options.gone });

  return {
    schedule(session) {
      const worker = registration?.active;
      if (!worker) return false;
      const expirationTime = expiresAtMs(session);
      worker.postMessage({
        type: 'SCHEDULE_TOKEN_REFRESH',
        refreshToken: session.refresh,
        expirationTime,
        leadTime: expirationTime - refreshAtMs(session),
        session: session.id,
        generation: session.generation,
        shared: session.shared,
      } satisfies ScheduleTokenRefresh);
      return true;
    },
  };
}

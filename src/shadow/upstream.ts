import { Pool, type Dispatcher } from 'undici';

/** The Django that answers. */
export interface Upstream {
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean;
  close(): Promise<void>;
}

/**
 * How long an idle connection to Django is used again. gunicorn closes one after 2 s, and says so nowhere: a request that is
 * sent at that moment is lost, and a refresh must not be sent twice. A server that tells (Keep-Alive) is believed.
 */
const KEEP_ALIVE_MS = 1_000;

/** Django's own server decides how long an answer takes, and the client how long it waits. */
const NO_LIMIT = 0;

const CONNECT_TIMEOUT_MS = 10_000;

/** @param url of Django: its path is not looked at */
export function openUpstream(url: string): Upstream {
  const pool = new Pool(new URL(url).origin, {
    connections: null,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: NO_LIMIT,
    bodyTimeout: NO_LIMIT,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // A page's headers are what Django makes of them.
    maxHeaderSize: 256 * 1024,
  });
  return {
    dispatch: (options, handler) => pool.dispatch(options, handler),
    close: () => pool.destroy(),
  };
}

import { MigrateError } from './errors.js';
import type { Timing } from './run-context.js';
import type { Session } from './session.js';

/** Before it is said that a session is waited for. */
const SILENCE_MS = 3_000;

export interface PromptOptions {
  readonly timing: Timing;
  readonly signal: AbortSignal | undefined;
  /** It takes long: said once. */
  readonly onWait: () => void;
  /** Undefined: as long as it takes. */
  readonly limit: { readonly ms: number; readonly error: () => MigrateError } | undefined;
}

/**
 * Waits for what a pool may hold up without a word: a statement that waits for a session of the pool's is not begun, and
 * no timeout of PostgreSQL's ends it. PgBouncer gives up after its query_wait_timeout, 120 s.
 *
 * @throws MigrateError INTERRUPTED, or that of the limit; whatever the work throws. What it still waits for is left to the
 * closing of its connection
 */
export async function promptly<T>(work: Promise<T>, options: PromptOptions): Promise<T> {
  const { timing, signal, limit, onWait } = options;
  const over = new AbortController();
  // Its end is of no interest once nobody waits for it.
  work.catch(() => undefined);
  const after = (ms: number): Promise<boolean> =>
    timing.sleep(ms, over.signal).then(
      () => true,
      () => false,
    );
  const interrupted = new Promise<never>((_, reject) => {
    const stop = (): void => reject(new MigrateError('INTERRUPTED', 'Interrupted before anything was done.'));
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, { once: true, signal: over.signal });
  });
  interrupted.catch(() => undefined);
  void after(SILENCE_MS).then((waits) => waits && onWait());
  const expired =
    limit === undefined
      ? []
      : [after(limit.ms).then((late) => (late ? Promise.reject(limit.error()) : work))];
  try {
    return await Promise.race([work, interrupted, ...expired]);
  } finally {
    over.abort();
  }
}

/** The same of a session that is opened: one that comes too late is closed. */
export async function openPromptly(opening: Promise<Session>, options: PromptOptions): Promise<Session> {
  try {
    return await promptly(opening, options);
  } catch (error) {
    opening.then(
      (late) => void late.close(),
      () => undefined,
    );
    throw error;
  }
}

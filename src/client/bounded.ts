/** A timer that is set for more than twice as long, or for ever, goes off at once. */
const MOST_MS = 1e9;

/**
 * Settles as the promise does, or with `late()` when the time is up; nothing here waits without a bound. An abort
 * takes away its own caller, and nobody else's work.
 *
 * @param signal of that caller alone, for it keeps its listener
 */
export function bounded<T>(
  promise: Promise<T>,
  ms: number,
  late: () => T | Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal?.reason as Error);
    const timer = setTimeout(() => resolve(late()), Math.min(ms, MOST_MS));
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

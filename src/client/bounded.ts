/**
 * Settles as the promise does, or with `late()` when the time is up; nothing here waits without a bound. An abort
 * takes away its own caller, and nobody else's work.
 */
export function bounded<T>(
  promise: Promise<T>,
  ms: number,
  late: () => T | Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal?.reason as Error);
    const timer = setTimeout(() => resolve(late()), ms);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    });
  });
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

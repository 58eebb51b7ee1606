/** The shell's number for "ended by SIGINT" (128 + 2). */
const INTERRUPTED = 130;

/**
 * Resolves at the first SIGTERM or SIGINT. A second one ends the process at once: who asks twice has stopped
 * believing in an orderly end.
 */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (): void => {
      if (asked) process.exit(INTERRUPTED);
      asked = true;
      resolve();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

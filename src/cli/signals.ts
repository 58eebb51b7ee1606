/** The shell's number for "ended by SIGINT" (128 + 2). */
const INTERRUPTED = 130;

export type StopSignal = 'SIGTERM' | 'SIGINT';

/**
 * Resolves at the first SIGTERM or SIGINT, with its name. A second one ends the process at once: who asks twice has stopped
 * believing in an orderly end.
 */
export function stopSignal(): Promise<StopSignal> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(INTERRUPTED);
      asked = true;
      resolve(signal as StopSignal);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/**
 * Takes SIGHUP, which is ignored elsewhere. One that comes before there is a listener is kept for it. Windows has none that
 * could be taken.
 */
export class HangUps {
  #came = false;
  #listener: (() => void) | undefined;

  constructor() {
    if (process.platform === 'win32') return;
    process.removeAllListeners('SIGHUP');
    process.on('SIGHUP', () => {
      this.#came = true;
      this.#listener?.();
    });
  }

  answer(listener: () => void): void {
    this.#listener = listener;
    if (this.#came) listener();
  }
}

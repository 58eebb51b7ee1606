import { watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';

/** A pair is written one file after the other, and a link is set in several steps. */
const SETTLE_MS = 500;

/**
 * What no directory tells: that the directory itself is a link, and leads elsewhere now; changes on a network file system;
 * and all of it where the system has no watch left to give.
 */
const LOOK_EVERY_MS = 10_000;

/**
 * Calls `look` soon after something has changed beside one of the files, and from time to time. The directories are
 * watched and not the files: certbot sets a new link in the place of the old one, and of a mounted secret another link
 * (`..data`) is changed. Returns how to end it.
 */
export function watchBeside(
  paths: readonly string[],
  look: () => void,
  lookEveryMs = LOOK_EVERY_MS,
): () => void {
  let soon: NodeJS.Timeout | undefined;
  const stirred = (): void => {
    soon ??= setTimeout(() => {
      soon = undefined;
      look();
    }, SETTLE_MS).unref();
  };
  const watchers = [...new Set(paths.map((path) => dirname(path)))].flatMap((directory) => {
    const watcher = watched(directory, stirred);
    return watcher === undefined ? [] : [watcher];
  });
  const every = setInterval(look, lookEveryMs).unref();
  return () => {
    for (const watcher of watchers) watcher.close();
    clearInterval(every);
    clearTimeout(soon);
  };
}

/** Undefined: it can't be watched, and is looked at from time to time alone. */
function watched(directory: string, onEvent: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, onEvent);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

import type { ServeSettings } from '../config/settings.js';
import { NO_LOG, type Log } from '../observe/log.js';
import { toCommandError } from './command-errors.js';
import { ReleaseStack } from './release.js';
import { compose } from './serve.js';
import type { Serving, StartOptions } from './serving.js';
import { StartPatience } from './start-patience.js';

/**
 * Builds a refresh server out of its parts and starts it. A database that isn't up yet is waited for.
 *
 * @throws CommandError with what to do about it
 */
export async function startServing(
  settings: ServeSettings,
  log: Log,
  options: StartOptions = {},
): Promise<Serving> {
  const { tellsSetUp = true, signal } = options;
  const patience = new StartPatience(databaseWaitMs(settings), () => performance.now(), log);
  for (;;) {
    const releases = new ReleaseStack();
    try {
      const logs = { log, setUpLog: tellsSetUp ? log : NO_LOG };
      if (settings.shadowOf === undefined) return await compose(settings, logs, releases, options);
      const { composeShadow } = await import('./shadow.js');
      return await composeShadow(settings, settings.shadowOf, logs, releases);
    } catch (error) {
      await releases.release().catch(() => undefined);
      signal?.throwIfAborted();
      const told = toCommandError(error, settings.database);
      if (!(await patience.waitOut(error, told, signal))) throw told;
    }
  }
}

/** The embedded one is ours to start. */
function databaseWaitMs({ database, databaseWaitMs: ms }: ServeSettings): number {
  return database.kind === 'url' ? ms : 0;
}

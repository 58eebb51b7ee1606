import type { ServeSettings } from '../config/settings.js';
import { NO_LOG, type Log } from '../observe/log.js';
import { toCommandError } from './command-errors.js';
import { ReleaseStack } from './release.js';
import { compose } from './serve.js';
import type { Serving } from './serving.js';
import { StartPatience } from './start-patience.js';

/**
 * Builds a refresh server out of its parts and starts it. A database that isn't up yet is waited for.
 *
 * @param options.admin false: it is one of several, and another process has the admin port for all of them
 * @param options.tellsSetUp false: another of them has told what the set-up means
 * @param options.signal calls the start off
 * @throws CommandError with what to do about it
 */
export async function startServing(
  settings: ServeSettings,
  log: Log,
  {
    admin = true,
    tellsSetUp = true,
    signal,
  }: { readonly admin?: boolean; readonly tellsSetUp?: boolean; readonly signal?: AbortSignal } = {},
): Promise<Serving> {
  const patience = new StartPatience(databaseWaitMs(settings), () => performance.now(), log);
  for (;;) {
    const releases = new ReleaseStack();
    try {
      return await compose(settings, { log, setUpLog: tellsSetUp ? log : NO_LOG }, releases, admin, signal);
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

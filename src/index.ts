/** carelink-tokens in a program of one's own: what the commands do, without a terminal. */
import { startServing, type Serving } from './compose/serve.js';
import { CommandError } from './config/errors.js';
import type { Flags } from './config/resolve.js';
import { serveSettings } from './config/serve-settings.js';
import { processSource } from './config/source.js';
import { createLog } from './observe/log.js';

export { CommandError, ConfigError } from './config/errors.js';
export type { Flags } from './config/resolve.js';
export type { Serving } from './compose/serve.js';

/**
 * Starts a refresh server. Options are those of the command line, without their dashes
 * (`{ port: '0', 'reuse-grace': '10s' }`); what isn't given comes from the environment.
 *
 * @param log where the log's JSON lines go; nowhere if not given
 * @throws ConfigError with all that is wrong with the options; CommandError with what to do
 */
export function serve(options: Flags = {}, log?: { write(line: string): void }): Promise<Serving> {
  const settings = serveSettings(options, processSource());
  if (settings.workers > 1) {
    throw new CommandError(
      'WORKERS_NEED_THE_COMMAND',
      2,
      'workers is for the command line, which starts itself again. In a program, call serve() in processes of its own.',
    );
  }
  const level = log === undefined ? 'silent' : settings.logLevel;
  return startServing(settings, createLog({ level, destination: log ?? { write: () => undefined } }));
}

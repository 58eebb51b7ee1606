import type { MigrateSettings } from '../config/settings.js';
import { openDataDirectory } from '../store/data-directory.js';
import { startEmbedded } from '../store/embedded.js';
import type { PoolOptions } from '../store/pool.js';
import { toCommandError } from './command-errors.js';
import { ReleaseStack } from './release.js';

/**
 * Does the work of the command `migrate` on its database: the one by URL, or the embedded one, started for it and
 * stopped afterwards.
 *
 * @throws CommandError with what to do about it, or what the work throws
 */
export async function onMigratedDatabase<T>(
  settings: MigrateSettings,
  work: (connection: PoolOptions['connection']) => Promise<T>,
): Promise<T> {
  const releases = new ReleaseStack();
  try {
    if (settings.database.kind === 'url') return await work(settings.database.url);
    const directory = await openDataDirectory(settings.database.dataDir, 'migrate');
    releases.add(() => directory.release());
    const embedded = await startEmbedded({ dataDir: directory.path });
    releases.add(() => embedded.stop());
    return await work(embedded.connection);
  } catch (error) {
    throw toCommandError(error, settings.database);
  } finally {
    await releases.release();
  }
}

import { openDataDirectory } from '../store/data-directory.js';
import { startEmbedded, type Embedded } from '../store/embedded.js';
import type { ReleaseStack } from './release.js';

export interface EmbeddedDatabase {
  readonly connection: Embedded['connection'];
  readonly failed: Embedded['failed'];
  /** The directory's own. */
  readonly signingKey: string;
  /** Sentences for whoever runs the command. */
  readonly warnings: readonly string[];
}

/**
 * Takes the data directory and starts the database in it; stopped and given back with the releases.
 *
 * @param command `serve` makes a database where there is none; others are refused
 * @param signal ends it at once, as a kill does
 * @throws DataDirectoryError, EmbeddedError
 */
export async function openEmbedded(
  dataDir: string,
  command: string,
  releases: ReleaseStack,
  signal?: AbortSignal,
): Promise<EmbeddedDatabase> {
  const directory = await openDataDirectory(dataDir, command);
  releases.add(() => directory.release());
  const { signingKey, warnings } = directory;
  const embedded = await startEmbedded({ dataDir: directory.path, ...(signal && { signal }) });
  releases.add(() => embedded.stop());
  const { connection, failed } = embedded;
  return { connection, failed, signingKey, warnings };
}

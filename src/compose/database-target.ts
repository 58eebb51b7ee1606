import { processSource } from '../config/source.js';
import { readDatabaseUrl, type DatabaseTarget } from '../store/database-url.js';
import { osUser } from '../store/libpq-files.js';

/**
 * What a URL of the settings means in this process: with libpq's variables (PGPASSWORD, PGSSLROOTCERT).
 *
 * @throws UrlError
 */
export function databaseTarget(url: string): DatabaseTarget {
  return readDatabaseUrl(url, { env: processSource().env, osUser: osUser() });
}

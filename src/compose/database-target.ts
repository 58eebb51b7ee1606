import { processSource } from '../config/source.js';
import { readDatabaseUrl, type DatabaseTarget } from '../store/database-url.js';
import { osUser } from '../store/libpq-files.js';
import { quoteIdentifier } from '../store/quote.js';
import { PasswordSource } from '../store/password-source.js';
import type { DatabaseSettings } from '../config/parts.js';

/**
 * What a URL of the settings means in this process: with libpq's variables (PGPASSWORD, PGSSLROOTCERT).
 *
 * @throws UrlError
 */
export function databaseTarget({
  url,
  password,
  schema,
  libpq,
}: Omit<Extract<DatabaseSettings, { kind: 'url' }>, 'kind'>): DatabaseTarget {
  const read = readDatabaseUrl(url, { env: { ...processSource().env, ...libpq }, osUser: osUser() });
  const target = schema === undefined ? read : { ...read, searchPath: quoteIdentifier(schema) };
  // The URL of --listen-url may have one of its own; one in the environment is for whoever gives none.
  if (password === undefined || target.passwordFrom === 'url') return target;
  return { ...target, passwordFrom: 'fetched', passwordSource: new PasswordSource(password) };
}

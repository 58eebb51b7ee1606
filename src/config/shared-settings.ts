import { resolve as absolutePath } from 'node:path';
import { isSocket, readDatabaseUrl, type DatabaseTarget } from '../store/database-url.js';
import { UrlError } from '../store/database-url-text.js';
import type { Resolved } from './resolve.js';
import type { SharedSettings } from './settings.js';
import type { SHARED_OPTIONS } from './shared-options.js';
import type { Source } from './source.js';
import { unknownVariables } from './unknown-variables.js';

/** The part that all commands share, out of a table that holds the shared options. */
export function sharedSettings(
  { values, given }: Pick<Resolved<typeof SHARED_OPTIONS>, 'values' | 'given'>,
  source: Source,
  problems: string[],
): SharedSettings {
  const url = values['database-url'];
  // A data directory in the environment may be an image's default. One on the command line was meant.
  if (given['data-dir'] === '--data-dir' && given['database-url'] !== undefined) {
    problems.push(
      `--data-dir and ${given['database-url']} exclude each other: the first is for the embedded PostgreSQL. Leave one out.`,
    );
  }
  const warnings = unknownVariables(source.env);
  if (url !== undefined) warnings.push(...checkUrl(url, given['database-url'] ?? '', source, problems));
  return {
    database:
      url === undefined
        ? { kind: 'embedded', dataDir: absolutePath(source.cwd, values['data-dir']) }
        : { kind: 'url', url },
    json: values.json,
    quiet: values.quiet,
    logLevel: values['log-level'] ?? (values.quiet ? 'warn' : 'info'),
    warnings,
  };
}

/** With what libpq's variables add to a URL that is fine by itself. Returns warnings. */
function checkUrl(url: string, name: string, { env }: Source, problems: string[]): string[] {
  try {
    const target = readDatabaseUrl(url, { env, osUser: 'anybody' });
    const unverified = unverifiedWarning(target);
    return [...target.warnings, ...(unverified === undefined ? [] : [unverified])].map(
      (warning) => `${name}: ${warning}.`,
    );
  } catch (error) {
    if (!(error instanceof UrlError)) throw error;
    problems.push(`${name}: ${error.message}.`);
    return [];
  }
}

/** Rule of libpq's, and not what its name says: `require` encrypts, and talks to whoever answers. */
function unverifiedWarning({ sslMode, sslRootCert, hosts }: DatabaseTarget): string | undefined {
  if (sslRootCert !== undefined || !hosts.some((host) => !isSocket(host))) return undefined;
  if (sslMode !== 'require' && sslMode !== 'prefer' && sslMode !== 'allow') return undefined;
  return (
    `its sslmode=${sslMode} encrypts and verifies no certificate, as in libpq. To know that it is your server, ` +
    "add sslrootcert=FILE with its authority's certificate and sslmode=verify-full"
  );
}

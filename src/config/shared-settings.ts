import { resolve as absolutePath } from 'node:path';
import { isSocket, readDatabaseUrl, type DatabaseTarget } from '../store/database-url.js';
import { UrlError } from '../store/database-url-text.js';
import type { Resolved } from './resolve.js';
import type { SharedSettings } from './settings.js';
import type { PasswordOrigin } from './parts.js';
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
  if (url === undefined && passwordOptionOf(given) !== undefined) {
    problems.push(`${passwordOptionOf(given)} is for a database by URL: give --database-url, too.`);
  }
  if (url === undefined && given.schema !== undefined) {
    problems.push(`${given.schema} is for a database by URL: give --database-url, too.`);
  }
  const warnings = unknownVariables(source);
  if (url !== undefined) warnings.push(...checkUrl(url, given['database-url'] ?? '', source, problems));
  return {
    database:
      url === undefined
        ? { kind: 'embedded', dataDir: absolutePath(source.cwd, values['data-dir']) }
        : {
            kind: 'url',
            url,
            password: passwordOf(values, given, source, problems),
            schema: values.schema,
            libpq: libpqOf(source),
          },
    json: values.json,
    quiet: values.quiet,
    logLevel: values['log-level'] ?? (values.quiet ? 'warn' : 'info'),
    warnings,
  };
}

/** Of a process's own environment whoever connects knows by himself. */
function libpqOf({ env, file }: Source): Readonly<Record<string, string>> | undefined {
  if (file === undefined) return undefined;
  const names = [...file.lineOf.keys()].filter((name) => name.startsWith('PG'));
  return names.length === 0
    ? undefined
    : Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

type Shared = Pick<Resolved<typeof SHARED_OPTIONS>, 'values' | 'given'>;

function passwordOptionOf(given: Shared['given']): string | undefined {
  return given['database-password-file'] ?? given['database-password-command'];
}

function passwordOf(
  values: Shared['values'],
  given: Shared['given'],
  { cwd, env }: Source,
  problems: string[],
): PasswordOrigin | undefined {
  const path = values['database-password-file'];
  const argv = values['database-password-command'];
  const option = passwordOptionOf(given);
  if (option === undefined) return undefined;
  if (path !== undefined && argv !== undefined) {
    problems.push(
      `${option} and ${given['database-password-command']} exclude each other: the password is fetched from one place. Leave one out.`,
    );
  }
  if (passwordIsInUrl(values['database-url'] ?? '', env)) {
    problems.push(
      `${option} and the password in ${given['database-url']} exclude each other. Take the password out of the URL.`,
    );
  }
  if (path !== undefined) return { kind: 'file', path: absolutePath(cwd, path) };
  return argv && { kind: 'command', argv };
}

function passwordIsInUrl(url: string, env: Source['env']): boolean {
  try {
    return readDatabaseUrl(url, { env, osUser: 'anybody' }).passwordFrom === 'url';
  } catch {
    return false;
  }
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

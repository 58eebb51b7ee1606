import { existsSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { systemRoots } from '../system-roots.js';
import { MissingRootError } from './connect-failure.js';
import type { DatabaseHost, DatabaseTarget } from './database-url.js';

export type TlsOptions = ConnectionOptions;

/** Name of the operating system's user, which is libpq's default; undefined where it has none, as in a container. */
export function osUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** Debian's, that of newer systems, and PostgreSQL's own. */
const SOCKET_DIRECTORIES = ['/var/run/postgresql', '/run/postgresql', '/tmp'];

/** Where a URL without a host leads: to the local socket, and where there is none, to this machine by TCP. */
export function defaultSocketDirectory(port: number): string {
  return SOCKET_DIRECTORIES.find((path) => existsSync(join(path, `.s.PGSQL.${port}`))) ?? 'localhost';
}

/**
 * TLS as libpq means it: https://www.postgresql.org/docs/current/libpq-ssl.html. Files are read at each connect, so that
 * a renewed certificate needs no restart.
 *
 * Two things differ, on the safe side: a file that is named and missing is an error for every sslmode, and verify-full
 * without a root certificate trusts those of the system, where libpq refuses.
 *
 * @throws what node:fs throws, MissingRootError
 */
export function tlsOptions(target: DatabaseTarget, { host, address }: DatabaseHost): TlsOptions {
  const mode = target.sslMode ?? 'prefer';
  const ca = rootsOf(target, mode);
  const cert = target.sslCert ?? ofHome('postgresql.crt');
  const key = target.sslKey ?? (cert === undefined ? undefined : ofHome('postgresql.key'));
  return {
    // As libpq: what there is a root for is verified, for every mode.
    rejectUnauthorized: ca !== undefined,
    ...(ca === undefined ? {} : { ca }),
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    // pg names the host to the server where it connects by it.
    ...(address === undefined || host === '' ? {} : { servername: host }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
    ...(target.sslPassword === undefined ? {} : { passphrase: target.sslPassword }),
    ...(target.sslCrl === undefined ? {} : { crl: readFileSync(target.sslCrl) }),
    ...(target.tlsMin === undefined ? {} : { minVersion: target.tlsMin }),
    ...(target.tlsMax === undefined ? {} : { maxVersion: target.tlsMax }),
  };
}

function rootsOf({ sslRootCert }: DatabaseTarget, mode: string): (string | Buffer)[] | undefined {
  if (mode === 'no-verify') return undefined;
  if (sslRootCert !== undefined && sslRootCert !== 'system') return [readFileSync(sslRootCert)];
  if (sslRootCert === 'system') return systemRoots();
  const own = ofHome('root.crt');
  if (own !== undefined) return [readFileSync(own)];
  if (mode === 'verify-full') return systemRoots();
  if (mode === 'verify-ca') throw new MissingRootError('sslmode=verify-ca needs sslrootcert');
  return undefined;
}

/** A file that libpq looks for where none is named. */
function ofHome(name: string): string | undefined {
  const path = join(homedir(), '.postgresql', name);
  return existsSync(path) ? path : undefined;
}

/** host:port:database:user:password, with a backslash before a colon or a backslash. */
const PASS_LINE = /^((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):(.*)$/;

/** https://www.postgresql.org/docs/current/libpq-pgpass.html; undefined: nothing there fits, or others may read it. */
export async function passwordFromFile(
  target: DatabaseTarget,
  place: DatabaseHost,
): Promise<string | undefined> {
  const path = target.passFile ?? join(homedir(), '.pgpass');
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile()) return undefined;
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) return undefined;
  const host = place.host === '' ? 'localhost' : place.host;
  const wanted = [host, String(place.port), target.database, target.user];
  for (const line of (await readFile(path, 'utf8')).split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = PASS_LINE.exec(line)
      ?.slice(1)
      .map((field) => field.replace(/\\([^])/g, '$1'));
    if (fields === undefined) continue;
    if (wanted.every((value, n) => fields[n] === '*' || fields[n] === value)) return fields[4];
  }
  return undefined;
}

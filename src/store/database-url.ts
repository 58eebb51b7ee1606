import { isIP } from 'node:net';
import type { PasswordSource } from './password-source.js';
import { readParameters, type Environment, type Parameters } from './database-parameters.js';
import { readKeywords, splitUrl, UrlError, type Given } from './database-url-text.js';

export interface DatabaseHost {
  /** A name or an address; a directory that begins with `/` for a Unix socket; '' for the local socket, wherever it is. */
  readonly host: string;
  /** Where to connect, where that isn't looked up by the name (`hostaddr`). */
  readonly address: string | undefined;
  readonly port: number;
}

/** What a URL, a DSN and libpq's environment say of a database. Files are named here, and read at each connect. */
export interface DatabaseTarget extends Parameters {
  /** At least one, in the order in which they are tried. */
  readonly hosts: readonly DatabaseHost[];
  readonly user: string;
  readonly database: string;
  readonly password: string | undefined;
  readonly passwordFrom: 'url' | 'environment' | 'fetched' | 'nowhere';
  /** Where it is fetched at each connect; with `passwordFrom: 'fetched'`. */
  readonly passwordSource?: PasswordSource;
  /** Sentences about what is in the URL and has no effect, or less than one may think. */
  readonly warnings: readonly string[];
}

/** Facts of this process that libpq takes what a URL doesn't say from. */
export interface Surroundings {
  readonly env: Environment;
  /** Name of the operating system's user; undefined where it has none. */
  readonly osUser: string | undefined;
}

/**
 * Reads a URL or a DSN as libpq does, and the dialects of Django's settings besides.
 *
 * @throws UrlError one sentence that names the part; it quotes nothing that may be of a password
 */
export function readDatabaseUrl(text: string, { env, osUser }: Surroundings): DatabaseTarget {
  const bare = unquoted(text);
  const given: Given = bare.includes('://') ? splitUrl(bare) : readKeywords(bare);
  const { values, parameters, warnings } = readParameters(given, env);
  const user = values.user ?? osUser;
  if (user === undefined)
    throw new UrlError('it names no user: write postgres://user:password@host/database');
  const ofUrl = given.get('password');
  const password = values.password;
  return {
    ...parameters,
    hosts: hostsOf(values),
    user,
    database: values.dbname ?? user,
    password,
    passwordFrom: password === undefined ? 'nowhere' : password === ofUrl ? 'url' : 'environment',
    warnings,
  };
}

/** Quotes and blanks around are an env file's, not the URL's. */
function unquoted(text: string): string {
  const trimmed = text.trim();
  const quoted = /^(["'])([^]*)\1$/.exec(trimmed)?.[2];
  return (quoted ?? trimmed).trim();
}

const PORT = '5432';

function hostsOf(values: Readonly<Record<string, string | undefined>>): DatabaseHost[] {
  const split = (text: string | undefined): string[] => (text === undefined ? [] : text.split(','));
  const names = split(values['host']);
  const addresses = split(values['hostaddr']);
  const ports = split(values['port']);
  const count = Math.max(names.length, addresses.length, 1);
  if (names.length > 0 && addresses.length > 0 && names.length !== addresses.length) {
    throw new UrlError(
      `it has ${names.length} in host and ${addresses.length} in hostaddr: give as many of both`,
    );
  }
  if (ports.length > 1 && ports.length !== count) {
    throw new UrlError(
      `it has ${count} hosts and ${ports.length} ports: give one port, or one for each host`,
    );
  }
  return Array.from({ length: count }, (_, n) => {
    const address = addresses[n] === '' ? undefined : addresses[n];
    if (address !== undefined && isIP(address) === 0) {
      throw new UrlError('its hostaddr is no IP address: put a name into host');
    }
    const host = (names[n] ?? '').trim();
    if (host.startsWith('@')) throw new UrlError('its host is an abstract socket (@...): give a directory');
    return { host, address, port: portOf(ports.length > 1 ? ports[n] : ports[0]) };
  });
}

function portOf(text = ''): number {
  const port = Number(text.trim() === '' ? PORT : text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  // What stands where a port is expected is the rest of a password, as often as not.
  throw new UrlError('its port is no number from 1 to 65535');
}

/** A socket of this machine: TLS is neither offered nor needed there. */
export function isSocket({ host, address }: DatabaseHost): boolean {
  return address === undefined && (host === '' || host.startsWith('/'));
}

/** This machine by TCP. */
export function isLoopback({ host, address }: DatabaseHost): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/i.test(address ?? host);
}

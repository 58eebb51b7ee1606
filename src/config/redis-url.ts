import type { ValueKind } from './kinds.js';
import { switched, tlsOf, warningsOf } from './redis-url-parameters.js';
import { RedisUrlError, splitRedisUrl, type RedisKind, type RedisUrlParts } from './redis-url-text.js';
import type { RedisSettings } from './parts.js';

/** What keys began with before there was a choice. */
export const DEFAULT_PREFIX = 'carelink_tokens';

/** Braces would choose the slot of a cluster, and blanks and stars mean something in rights. */
export const redisPrefix: ValueKind<string> = {
  placeholder: 'text',
  allowed: 'up to 64 letters, digits, and _ . - :',
  parse: (text) => (/^[\w.:-]{1,64}$/.test(text) ? text : undefined),
};

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26379;
const THIS_MACHINE = 'localhost';

/** What a URL says by itself. */
export interface RedisUrl extends Omit<RedisSettings, 'prefix'> {
  /** Sentences about what is in the URL and has no effect, or less than one may think. */
  readonly warnings: readonly string[];
}

/** Where Redis is. The text is never told back: it holds a password. */
export const redisUrl: ValueKind<RedisUrl> = {
  placeholder: 'url',
  allowed:
    'a URL such as redis://:password@host:6379/0, rediss://host, unix:///run/redis.sock, redis+cluster://h1,h2,h3 or redis+sentinel://h1,h2/master-name',
  parse(text) {
    const read = attempt(text);
    return read instanceof RedisUrlError ? undefined : read;
  },
  explain(text) {
    const read = attempt(text);
    return read instanceof RedisUrlError && !read.notRedis ? read.message : undefined;
  },
};

function attempt(text: string): RedisUrl | RedisUrlError {
  try {
    return readRedisUrl(text);
  } catch (error) {
    if (error instanceof RedisUrlError) return error;
    throw error;
  }
}

/**
 * Reads a URL as redis-py, django-redis, django-environ and Celery write it.
 *
 * @throws RedisUrlError one sentence that names the part; it quotes nothing that may be of a password
 */
function readRedisUrl(text: string): RedisUrl {
  const parts = splitRedisUrl(unquoted(text));
  const { kind, hosts, socket, parameters } = parts;
  const warnings = warningsOf(parameters, parts.tls);
  if (parts.fragment) warnings.push('what follows # in it has no effect');
  const username = parts.username || parameters.get('username');
  const password = parts.password || parameters.get('password');
  if (kind === 'single' && hosts.length > 1) {
    throw new RedisUrlError(
      'it names several hosts: write redis+cluster://h1,h2 for a cluster, redis+sentinel://h1,h2/master-name for ' +
        'sentinels, or the primary alone',
    );
  }
  const tls = parts.tls ? tlsOf(parameters) : undefined;
  if (tls?.verify === false) {
    warnings.push(
      'its ssl_cert_reqs=none encrypts and verifies no certificate. To know that it is your Redis, give ' +
        "ssl_cert_reqs=required, and ssl_ca_certs=FILE with its authority's certificate",
    );
  }
  const place = placeOf(parts);
  return {
    kind,
    nodes: socket ? [] : hosts.map((host) => nodeOf(host, kind)),
    path: socket ? parts.path : undefined,
    masterName: place.masterName,
    sentinel: kind === 'sentinel' ? sentinelOf(parameters, parts.tls) : undefined,
    tls,
    username,
    // A user without a password logs in with an empty one, as in redis-py.
    password: password ?? (username === undefined ? undefined : ''),
    database: databaseOf(parameters.get('db') ?? place.database, kind),
    warnings,
  };
}

/** Quotes and blanks around are an env file's, not the URL's. */
function unquoted(text: string): string {
  const trimmed = text.trim();
  const quoted = /^(["'])([^]*)\1$/.exec(trimmed)?.[2];
  return (quoted ?? trimmed).trim();
}

/** What the path says: a socket's, the master's name, the database's number. */
function placeOf({ kind, socket, path, parameters }: RedisUrlParts): {
  readonly masterName: string | undefined;
  readonly database: string;
} {
  if (socket) {
    if (!path.startsWith('/'))
      throw new RedisUrlError('its socket has no path: write unix:///path/to/redis.sock');
    // Celery's name for it.
    return { masterName: undefined, database: (parameters.get('virtual_host') ?? '').replace(/^\//, '') };
  }
  const segments = path.replace(/^\/+|\/+$/g, '').split('/');
  if (segments.length > (kind === 'sentinel' ? 2 : 1)) {
    throw new RedisUrlError(
      'its path has too many parts: after the host comes /0, the number of the database',
    );
  }
  if (kind !== 'sentinel') return { masterName: undefined, database: segments[0] ?? '' };
  const named = parameters.get('master_name') ?? parameters.get('service_name');
  const [masterName = '', database = ''] = named === undefined ? segments : [named, ...segments];
  if (masterName === '') {
    throw new RedisUrlError(
      'it names no master: write redis+sentinel://host1,host2/master-name, with the name that the sentinels know it by',
    );
  }
  return { masterName, database };
}

function nodeOf({ host, port }: RedisUrlParts['hosts'][number], kind: RedisKind) {
  if (host === '' && kind !== 'single')
    throw new RedisUrlError('one of its hosts is empty: name each between commas');
  const number = port === '' ? (kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT) : Number(port);
  if (!/^\d*$/.test(port) || number < 1 || number > 65_535) {
    // What stands where a port is expected is the rest of a password, as often as not.
    throw new RedisUrlError('its port is no number from 1 to 65535');
  }
  return { host: host === '' ? THIS_MACHINE : host, port: number };
}

function databaseOf(text: string, kind: RedisKind): number {
  if (!/^\d{0,5}$/.test(text)) throw new RedisUrlError('its database is no number: write /0, or ?db=0');
  if (kind === 'cluster' && Number(text) !== 0) throw new RedisUrlError('a cluster has only database 0');
  return Number(text);
}

function sentinelOf(parameters: ReadonlyMap<string, string>, tls: boolean): RedisUrl['sentinel'] {
  const username = parameters.get('sentinel_username');
  const password = parameters.get('sentinel_password');
  const ssl = parameters.get('sentinel_ssl');
  if (ssl !== undefined && switched(ssl) && !tls) {
    throw new RedisUrlError('its sentinel_ssl needs TLS: write rediss+sentinel://');
  }
  return {
    username,
    password: password ?? (username === undefined ? undefined : ''),
    tls: ssl !== undefined && switched(ssl),
  };
}

/** A URL of Redis that can't be used, in one sentence that names the part. */
export class RedisUrlError extends Error {
  override readonly name = 'RedisUrlError';
  /** It is about something else than Redis, and there is nothing to say of its parts. */
  readonly notRedis: boolean;

  constructor(message: string, notRedis = false) {
    super(message);
    this.notRedis = notRedis;
  }
}

export type RedisKind = 'single' | 'cluster' | 'sentinel';

/** The parts of a URL, decoded. */
export interface RedisUrlParts {
  readonly kind: RedisKind;
  readonly tls: boolean;
  /** The whole path is a socket's. */
  readonly socket: boolean;
  readonly username: string;
  readonly password: string;
  /** At least one; an empty one is this machine. */
  readonly hosts: readonly { readonly host: string; readonly port: string }[];
  readonly path: string;
  /** By their names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly fragment: boolean;
}

/** redis-py's, valkey-py's, Celery's (`redis+socket`, `socket`), django-environ's (`rediscache`), and ours for several nodes. */
const SCHEME =
  /^(?:(unix|socket|redis\+unix)|(redis|valkey|rediscache)(s?)(?:[+-](cluster|sentinel|socket))?):\/\//i;

const CELERY_SENTINEL = /^sentinel:\/\//i;

const ESCAPES = 'write / as %2F, @ as %40, : as %3A, ? as %3F, # as %23 and % as %25';
const SPECIAL = `its password or user name has a special character: ${ESCAPES}`;

/**
 * Cuts a URL as Python's urlsplit does: the place ends at the first of / ? #, user and password at the last @ before.
 *
 * @throws RedisUrlError
 */
export function splitRedisUrl(text: string): RedisUrlParts {
  if (CELERY_SENTINEL.test(text)) {
    throw new RedisUrlError(
      'it names no master: write redis+sentinel://host1,host2/master-name, with the name that the sentinels know it by',
    );
  }
  const [scheme = '', alone, , s = '', variant] = SCHEME.exec(text) ?? [];
  if (scheme === '') {
    throw new RedisUrlError('it is no URL of Redis: write redis://user:password@host:6379/0', true);
  }
  const [, place = '', path = '', query = '', fragment] =
    /^([^/?#]*)([^?#]*)(?:\?([^#]*))?(#[^]*)?$/.exec(text.slice(scheme.length)) ?? [];
  const at = place.lastIndexOf('@');
  // The rest of a password with one of / ? # in it becomes path, query or fragment.
  if (at < 0 && (/@/.test(path + (fragment ?? '')) || /^[^=&]*@/.test(query)))
    throw new RedisUrlError(SPECIAL);
  const login = at < 0 ? '' : place.slice(0, at);
  const colon = login.indexOf(':');
  const tls = s !== '';
  const hosts = place.slice(at + 1);
  const kind = variant?.toLowerCase();
  const socket =
    alone !== undefined ||
    kind === 'socket' ||
    (kind === undefined && hosts === '' && /^\/*[^/\d]/.test(path));
  if (tls && socket)
    throw new RedisUrlError('it asks for TLS over a socket: write unix:///path/to/redis.sock');
  if (socket && hosts !== '') {
    throw new RedisUrlError(
      'its socket has no absolute path: write unix:///path/to/redis.sock, with three slashes',
    );
  }
  return {
    kind: kind === 'cluster' || kind === 'sentinel' ? kind : 'single',
    tls,
    socket,
    username: decode(colon < 0 ? login : login.slice(0, colon), 'user name'),
    password: decode(colon < 0 ? '' : login.slice(colon + 1), 'password'),
    hosts: hosts.split(',').map(readHost),
    path: decode(path, socket ? 'path' : 'database number'),
    parameters: readQuery(query),
    fragment: fragment !== undefined,
  };
}

const HOST = /^(?:\[([0-9a-f:.]+)\]|([\w](?:[\w.-]*\w)?)?)(?::([^:]*))?$/i;

function readHost(text: string): { host: string; port: string } {
  const [whole, bracketed, plain = '', port = ''] = HOST.exec(decode(text, 'host')) ?? [];
  if (whole === undefined) {
    throw new RedisUrlError('its host cannot be read: an IPv6 address goes in brackets, as in [::1]:6379');
  }
  return { host: bracketed ?? plain, port };
}

/** As Python's parse_qs: of a name that comes twice the first counts, and a blank value is none. */
function readQuery(query: string): Map<string, string> {
  const read = new Map<string, string>();
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals), 'list of parameters').toLowerCase();
    const value = equals < 0 ? '' : pair.slice(equals + 1).replaceAll('+', ' ');
    if (value !== '' && !read.has(name)) read.set(name, decode(value, `parameter ${shown(name)}`));
  }
  return read;
}

/** Names come from the outside and are told back: a part of a password that was taken for one is not. */
export function shown(name: string): string {
  return /^\w{1,40}$/.test(name) ? name : 'of a strange name';
}

/** A % that no two hexadecimal digits follow stands for itself, as in Python. */
function decode(text: string, part: string): string {
  let decoded;
  try {
    decoded = decodeURIComponent(text.replace(/%(?![0-9a-f]{2})/gi, '%25'));
  } catch {
    throw new RedisUrlError(
      `its ${part} has %XX that are not UTF-8: write each byte of the character in UTF-8, é as %C3%A9, and % itself as %25`,
    );
  }
  if (/\p{Cc}/u.test(decoded)) throw new RedisUrlError(`its ${part} has a control character`);
  return decoded;
}

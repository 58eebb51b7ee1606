import type { ValueKind } from './kinds.js';
import type { RedisSettings } from './settings.js';

/** What keys began with before there was a choice. */
export const DEFAULT_PREFIX = 'carelink_tokens';

/** Braces would choose the slot of a cluster, and blanks and stars mean something in rights. */
export const redisPrefix: ValueKind<string> = {
  placeholder: 'text',
  allowed: 'up to 64 letters, digits, and _ . - :',
  parse: (text) => (/^[\w.:-]{1,64}$/.test(text) ? text : undefined),
};

const SHAPE =
  /^(redis|rediss|redis\+cluster|rediss\+cluster|redis\+sentinel|rediss\+sentinel):\/\/(?:([^@/]*)@)?([^/?#@]+)(?:\/([^/?#]*))?$/;
const NODE = /^(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)(?::(\d{1,5}))?$/i;

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26379;

/** Where Redis is. The text is never told back: it holds a password. */
export const redisUrl: ValueKind<Omit<RedisSettings, 'prefix'>> = {
  placeholder: 'url',
  allowed:
    'a URL such as redis://:password@host:6379/0, rediss://host, redis+cluster://h1,h2,h3 or redis+sentinel://h1,h2/master-name',
  parse(text) {
    const match = SHAPE.exec(text);
    if (match === null) return undefined;
    const [, scheme = '', credentials, hosts = '', path = ''] = match;
    const kind = scheme.endsWith('+cluster')
      ? 'cluster'
      : scheme.endsWith('+sentinel')
        ? 'sentinel'
        : 'single';
    const nodes = hosts
      .split(',')
      .map((node) => readNode(node, kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT));
    const known = nodes.filter((node) => node !== undefined);
    if (known.length !== nodes.length || (kind === 'single' && nodes.length > 1)) return undefined;
    // A cluster has only database 0; behind sentinels the path is the master's name.
    if (kind === 'sentinel' ? path === '' : kind === 'cluster' ? path !== '' : !/^\d{0,4}$/.test(path)) {
      return undefined;
    }
    const login = readCredentials(credentials);
    if (login === undefined) return undefined;
    return {
      kind,
      nodes: known,
      masterName: kind === 'sentinel' ? path : undefined,
      tls: scheme.startsWith('rediss'),
      ...login,
      database: kind === 'single' ? Number(path) : 0,
    };
  },
};

function readNode(text: string, defaultPort: number): { host: string; port: number } | undefined {
  const match = NODE.exec(text);
  if (match === null) return undefined;
  const port = match[2] === undefined ? defaultPort : Number(match[2]);
  return port >= 1 && port <= 65_535
    ? { host: (match[1] ?? '').replace(/^\[(.*)\]$/, '$1'), port }
    : undefined;
}

function readCredentials(
  text: string | undefined,
): { username: string | undefined; password: string | undefined } | undefined {
  if (text === undefined) return { username: undefined, password: undefined };
  const colon = text.indexOf(':');
  try {
    const username = decodeURIComponent(colon < 0 ? text : text.slice(0, colon));
    const password = colon < 0 ? '' : decodeURIComponent(text.slice(colon + 1));
    return {
      username: username === '' ? undefined : username,
      password: password === '' ? undefined : password,
    };
  } catch {
    return undefined;
  }
}

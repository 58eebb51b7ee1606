import { isIP } from 'node:net';
import { readDatabaseUrl } from '../store/database-url.js';
import { UrlError } from '../store/database-url-text.js';
import type { ValueKind } from './kinds.js';

const HOST_NAME = /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?$/i;

/** An address or a name to listen at; an IPv6 address may come in brackets, and goes without. */
export const host: ValueKind<string> = {
  placeholder: 'host',
  allowed: 'an IP address or a host name',
  parse(text) {
    const bare = text.replace(/^\[(.*)\]$/, '$1');
    if (isIP(bare) !== 0) return bare;
    // Four numbers that are no address are a typing error, not a name.
    return HOST_NAME.test(text) && !/^[\d.]+$/.test(text) ? text : undefined;
  },
};

const SOCKET = 'unix:';

/** Linux takes 107 bytes, and a process number and four characters are appended while it starts. */
const SOCKET_PATH_BYTES = 94;

/** The same, or a unix socket: `unix:/run/carelink/tokens.sock`. */
export const hostOrSocket: ValueKind<string> = {
  placeholder: 'host',
  allowed: 'an IP address, a host name, or unix: and the absolute path of a socket',
  parse(text) {
    const path = socketIn(text);
    if (path === undefined) return host.parse(text);
    const fits = Buffer.byteLength(path) <= SOCKET_PATH_BYTES && !path.includes('\0');
    return path.startsWith('/') && !path.endsWith('/') && fits ? text : undefined;
  },
  explain(text) {
    const path = socketIn(text) ?? '';
    return Buffer.byteLength(path) > SOCKET_PATH_BYTES
      ? `The path of a socket takes ${SOCKET_PATH_BYTES} bytes at most.`
      : undefined;
  },
};

/** The path where the host is a unix socket. */
export function socketIn(host: string): string | undefined {
  return host.startsWith(SOCKET) ? host.slice(SOCKET.length) : undefined;
}

/** `/account/token`, without a slash at its end; '' for the root. */
export const urlPath: ValueKind<string> = {
  placeholder: 'path',
  allowed: 'a path such as /account/token',
  parse(text) {
    if (text === '/') return '';
    const segments = text.replace(/^\/|\/$/g, '').split('/');
    const fine = segments.every((part) => /^[\w~.-]+$/.test(part) && part !== '.' && part !== '..');
    return fine ? `/${segments.join('/')}` : undefined;
  },
};

/** A PostgreSQL URL or DSN, unchanged. Its text is never told back: it holds a password. */
export const postgresUrl: ValueKind<string> = {
  placeholder: 'url',
  allowed: 'a URL such as postgres://user:password@host:5432/database',
  parse: (text) => (misread(text) === undefined ? text : undefined),
  explain: (text) => (misread(text)?.notPostgres === true ? undefined : misread(text)?.message),
};

/** What is wrong with it by itself. What the environment adds is looked at with the settings. */
function misread(text: string): UrlError | undefined {
  try {
    readDatabaseUrl(text, { env: {}, osUser: 'anybody' });
    return undefined;
  } catch (error) {
    if (error instanceof UrlError) return error;
    throw error;
  }
}

/** A URL to send requests to, unchanged. One with a password in it would end in reports. */
export const httpUrl: ValueKind<string> = {
  placeholder: 'url',
  allowed: 'a URL such as http://127.0.0.1:8000, without user name and password',
  parse(text) {
    if (!URL.canParse(text)) return undefined;
    const { protocol, username, password } = new URL(text);
    const http = protocol === 'http:' || protocol === 'https:';
    return http && username === '' && password === '' ? text : undefined;
  },
};

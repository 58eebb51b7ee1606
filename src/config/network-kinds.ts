import { isIP } from 'node:net';
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

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'no-verify', 'verify-ca', 'verify-full'];

const ESCAPES = 'write / as %2F, @ as %40, : as %3A, ? as %3F and # as %23';

/** A / ? or # before an @, or two of these. */
const UNESCAPED = /:\/\/[^@]*[/?#@][^@]*@/;

const POSTGRES = /^postgres(?:ql)?:\/\//i;

/** What is wrong with a URL that can't be read, or would be read as another one than was meant. Quotes nothing of it. */
function misread(text: string): string | undefined {
  const special = `its password or user name has a special character: ${ESCAPES}`;
  if (!URL.canParse(text)) return UNESCAPED.test(text) ? special : undefined;
  const { pathname, searchParams } = new URL(text);
  // The rest of a password with a slash in it becomes host and database. No database has such a name by chance.
  if (/[@/]/.test(pathname.slice(1))) return special;
  const mode = searchParams.get('sslmode');
  if (mode === null || SSL_MODES.includes(mode)) return undefined;
  return `its sslmode is none that there is: give one of ${SSL_MODES.join(', ')}`;
}

/** A PostgreSQL URL, unchanged. Its text is never told back: it holds a password. */
export const postgresUrl: ValueKind<string> = {
  placeholder: 'url',
  allowed: 'a URL such as postgres://user:password@host:5432/database',
  parse(text) {
    return POSTGRES.test(text) && URL.canParse(text) && misread(text) === undefined ? text : undefined;
  },
  explain: (text) => (POSTGRES.test(text) ? misread(text) : undefined),
};

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

import type { Reply } from '../http.js';
import type { Compat } from './case.js';
import { invalid, type Answer } from './departures.js';
import { nowSeconds } from './world.js';

/** A reply without what differs from one request to the next: fresh ids, the time, the words of a JSON parser. */
export interface NormalReply {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

export function normal(reply: Reply): NormalReply {
  if (reply.status === 500) return { status: 500, body: null, headers: {} };
  const headers: Record<string, unknown> = {
    'content-type': reply.headers['content-type'],
    'www-authenticate': reply.headers['www-authenticate'],
  };
  if (reply.status === 405) headers['allow'] = reply.headers['allow'];
  // JSON has no undefined, and the record is JSON.
  return JSON.parse(
    JSON.stringify({ status: reply.status, body: normalValue(reply.body), headers }),
  ) as NormalReply;
}

/** The same of a reply of ours, whose errors carry a sentence of their own: it must be there, and is taken off. */
export function normalOfOurs(reply: Reply): NormalReply {
  const { status, body } = reply;
  if (status === 200 || typeof body !== 'object' || body === null) return normal(reply);
  const { error, ...rest } = body as { error?: unknown };
  if (typeof error !== 'string' || error === '') {
    throw new Error(`no "error" beside ${status} ${JSON.stringify(body)}`);
  }
  return normal({ ...reply, body: rest });
}

/** What carelink-tokens has to answer where simplejwt answers `theirs`. */
export function expected(theirs: NormalReply, departure: Answer | undefined, compat: Compat): NormalReply {
  if (departure === undefined && theirs.status !== 500) return theirs;
  // A token that simplejwt falls over is a token that is refused.
  const { status, body } = departure ?? invalid(compat);
  return { status, body, headers: headersOf(status) };
}

function headersOf(status: number): NormalReply['headers'] {
  const type = { 'content-type': 'application/json' };
  return status === 401 ? { ...type, 'www-authenticate': 'Bearer realm="api"' } : type;
}

function normalValue(value: unknown): unknown {
  if (typeof value === 'string') {
    if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(value)) return normalToken(value);
    return value.replace(/^(JSON parse error - ).*$/s, '$1...');
  }
  if (Array.isArray(value)) return value.map(normalValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, normalValue(member)]));
}

/** Header and claims, these with their order: a token that is rotated keeps it. */
function normalToken(token: string): unknown {
  const [header, payload] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  const claims = Object.entries(JSON.parse(payload!) as object).map(([name, value]: [string, unknown]) => {
    if (name === 'jti' && /^[0-9a-f]{32}$/.test(String(value))) return 'jti: 32 hex digits';
    // To five minutes: lifetimes are multiples of it, and no machine is so slow that it matters.
    if (['exp', 'iat', 'nbf', 'refresh_exp'].includes(name)) {
      return `${name}: now + ${Math.round((Number(value) - nowSeconds()) / 300) * 300 + 0} s`;
    }
    return { [name]: value };
  });
  return { header, claims };
}

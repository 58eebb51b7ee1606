import type { Algorithm } from './codec.js';

/**
 * Longest token anybody looks at, where nothing else is said. simplejwt's are about 250 characters, and servers in front refuse headers
 * past 8 KiB; the bound keeps a body full of junk from being hashed and parsed.
 */
export const MAX_TOKEN_LENGTH = 8192;

/** The three segments of a compact JWS (RFC 7515, 7.1), each strict base64url, none empty. */
export interface CompactJws {
  readonly header: string;
  readonly payload: string;
  readonly signature: string;
  /** `header.payload`: what is signed. */
  readonly signingInput: string;
}

/** Verifies and signs compact JWSs with keys and an algorithm of its own, knowing nothing of claims. */
export interface Jws {
  /** The payload's text, or undefined where the token is malformed or no key made its signature. */
  open(token: string): string | undefined | Promise<string | undefined>;
  seal(payload: string): string | Promise<string>;
  /** See `TokenCodec`. */
  readonly waitMs?: () => number;
}

const THREE_SEGMENTS = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Takes a token apart; undefined where it isn't three segments of strict base64url.
 *
 * Strict means RFC 4648 with nothing forgiven: no padding, no white space, no stray bits in the last character.
 * jose (through `atob`) and PyJWT forgive some of that, so one signature could be written in several ways. No
 * signer writes anything but the strict form, and refusing the rest leaves one text for one token.
 */
export function splitCompact(token: string, maxLength = MAX_TOKEN_LENGTH): CompactJws | undefined {
  if (token.length > maxLength || !THREE_SEGMENTS.test(token)) return undefined;
  const first = token.indexOf('.');
  const last = token.lastIndexOf('.');
  const header = token.slice(0, first);
  const payload = token.slice(first + 1, last);
  const signature = token.slice(last + 1);
  if (!endsOnByte(header) || !endsOnByte(payload) || !endsOnByte(signature)) return undefined;
  return { header, payload, signature, signingInput: token.slice(0, last) };
}

/** Characters whose last two or four bits are zero: those that may end a group of three or of two. */
const ENDS_THREE = 'AEIMQUYcgkosw048';
const ENDS_TWO = 'AQgw';

function endsOnByte(segment: string): boolean {
  switch (segment.length % 4) {
    case 0:
      return true;
    case 3:
      return ENDS_THREE.includes(segment.charAt(segment.length - 1));
    case 2:
      return ENDS_TWO.includes(segment.charAt(segment.length - 1));
    default:
      return false;
  }
}

/** Fatal: invalid UTF-8 is no JSON text. A BOM is skipped, as jose and Python do. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text of a segment that `splitCompact` let through; undefined where it isn't UTF-8. */
export function decodeText(segment: string): string | undefined {
  try {
    return utf8.decode(Buffer.from(segment, 'base64url'));
  } catch {
    return undefined;
  }
}

export function encodeText(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** The header PyJWT writes, key for key: `{"alg":"HS256","typ":"JWT"}`, and `kid` between where there is one. */
export function headerFor(algorithm: Algorithm, kid?: string): { alg: Algorithm; kid?: string; typ: 'JWT' } {
  return kid === undefined ? { alg: algorithm, typ: 'JWT' } : { alg: algorithm, kid, typ: 'JWT' };
}

/** The headers of all but a handful of tokens, encoded. PyJWT before 2.4 wrote `typ` first. */
export function commonHeaders(algorithm: Algorithm): ReadonlySet<string> {
  return new Set(
    [headerFor(algorithm), { typ: 'JWT', alg: algorithm }].map((header) =>
      encodeText(JSON.stringify(header)),
    ),
  );
}

/**
 * Reads a header, pinned to one algorithm; undefined where the token mustn't be looked at any further.
 *
 * `crit` names extensions that must be understood, and none is. `b64: false` (RFC 7797) changes what is signed;
 * jose ignores it without `crit` and PyJWT refuses it, so it is refused.
 */
export function readHeader(segment: string, algorithm: Algorithm): { kid: string | undefined } | undefined {
  const text = decodeText(segment);
  if (text === undefined) return undefined;
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) return undefined;
  const own = new Map<string, unknown>(Object.entries(header));
  if (own.get('alg') !== algorithm || own.has('crit')) return undefined;
  if (own.has('b64') && own.get('b64') !== true) return undefined;
  const kid = own.get('kid');
  return { kid: typeof kid === 'string' ? kid : undefined };
}

import { keyedHash, keyedLine, type KeyedHash } from '../keyed-hash.js';

/**
 * The chain: every refresh token's successor can be computed from it, so a retry, a second instance and a
 * replay after a crash all arrive at the same one, and a family never forks.
 *
 * `jti' = first 128 bits of HMAC-SHA256(chain key, "successor" || jti)`, in hex as simplejwt writes its ids;
 * the access token's id likewise, under its own label. Without the key a successor's id can't be guessed; with
 * it, only the id is known: the token still needs the signing key.
 */
export interface Chain {
  /** The id of the token that follows `jti`, under the newest key. */
  successorOf(jti: string): string;
  /** The id of the access token handed out with the refresh token `successorJti`, under the key that made that one. */
  accessOf(successorJti: string, keyIndex: number): string;
  /** What the audit calls a token by, under the newest key: whoever reads it learns no id. */
  digestOf(jti: string): string;
  /** The possible ids of what followed `jti`: one a key, newest key first. */
  candidatesAfter(jti: string): string[];
  /** For each key, newest first: the next `count` ids after `jti`, nearest first. */
  descendantsOf(jti: string, count: number): string[][];
  /** The same under one key, newest key 0. An id takes 1 us: many of them hold up all else. */
  lineOf(jti: string, count: number, keyIndex: number): string[];
  /** How many keys there are. */
  readonly keys: number;
}

const SUCCESSOR = 'successor';
const ACCESS = 'access';
const AUDIT = 'audit';
/** 128 bits, as simplejwt's uuids. */
const ID_DIGITS = 32;

/** @param keys chain keys, newest first; at least one. Retired keys stay in the list while their tokens live. */
export function createChain(keys: readonly Buffer[]): Chain {
  const hashes = keys.map((key) => keyedHash('sha256', key));
  const lines = keys.map((key) => keyedLine(key, SUCCESSOR, ID_DIGITS));
  const [newest] = hashes;
  const [newestLine] = lines;
  if (newest === undefined || newestLine === undefined) throw new Error('a chain needs at least one key');
  return {
    successorOf: (jti) => derive(newest, SUCCESSOR, jti),
    accessOf: (successorJti, keyIndex) => derive(hashes[keyIndex] ?? newest, ACCESS, successorJti),
    digestOf: (jti) => derive(newest, AUDIT, jti),
    candidatesAfter: (jti) => hashes.map((hash) => derive(hash, SUCCESSOR, jti)),
    descendantsOf: (jti, count) => lines.map((line) => line(jti, count)),
    lineOf: (jti, count, keyIndex) => (lines[keyIndex] ?? newestLine)(jti, count),
    keys: hashes.length,
  };
}

function derive(hash: KeyedHash, label: string, jti: string): string {
  return hash(label + jti, 'hex').slice(0, ID_DIGITS);
}

import { createHmac } from 'node:crypto';

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
  /** The possible ids of what followed `jti`: one a key, newest key first. */
  candidatesAfter(jti: string): string[];
  /** For each key, newest first: the next `count` ids after `jti`, nearest first. */
  descendantsOf(jti: string, count: number): string[][];
}

/** @param keys chain keys, newest first; at least one. Retired keys stay in the list while their tokens live. */
export function createChain(keys: readonly Buffer[]): Chain {
  const [newest] = keys;
  if (newest === undefined) throw new Error('a chain needs at least one key');
  return {
    successorOf: (jti) => derive(newest, 'successor', jti),
    accessOf: (successorJti, keyIndex) => derive(keys[keyIndex] ?? newest, 'access', successorJti),
    candidatesAfter: (jti) => keys.map((key) => derive(key, 'successor', jti)),
    descendantsOf: (jti, count) => keys.map((key) => descend(key, jti, count)),
  };
}

function descend(key: Buffer, jti: string, count: number): string[] {
  const line: string[] = [];
  for (let next = jti; line.length < count;) {
    next = derive(key, 'successor', next);
    line.push(next);
  }
  return line;
}

function derive(key: Buffer, label: 'successor' | 'access', jti: string): string {
  return createHmac('sha256', key)
    .update(label + jti)
    .digest('hex')
    .slice(0, 32);
}

import { passwordHashIn, seconds, type ClaimNames } from '../rotation/claims.js';
import { presentableUntil } from '../rotation/lifetimes.js';
import type { Claims } from '../rotation/ports.js';
import { START, startOf } from '../rotation/session-start.js';

/** What the token in a row says of its session. Nobody verified it: it says what its session is, and lets nobody in. */
export interface StoredToken {
  readonly kind: 'refresh' | 'sliding';
  readonly issuedAtSeconds: number | undefined;
  /** When its session began, as a refresh reads it. */
  readonly startSeconds: number | undefined;
  /** When it can be presented no more. */
  readonly endSeconds: number;
  readonly passwordHash: string | undefined;
}

export type StoredNames = Pick<ClaimNames, 'tokenType' | 'slidingEnd' | 'revoke'>;

/** Undefined: it can't be read. */
export function readStoredToken(token: string, names: StoredNames): StoredToken | undefined {
  const claims = claimsOf(token);
  const expiresAtSeconds = claims && seconds(claims['exp']);
  if (claims === undefined || expiresAtSeconds === undefined) return undefined;
  const issuedAtSeconds = seconds(claims['iat']);
  return {
    kind: claims[names.tokenType] === 'sliding' ? 'sliding' : 'refresh',
    issuedAtSeconds,
    startSeconds: startOf(seconds(claims[START]), issuedAtSeconds, expiresAtSeconds),
    endSeconds: presentableUntil({ claims, expiresAtSeconds }, names),
    passwordHash: passwordHashIn(claims, names),
  };
}

function claimsOf(token: string): Claims | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    return typeof claims === 'object' && claims !== null ? (claims as Claims) : undefined;
  } catch {
    return undefined;
  }
}

import { rowEndSeconds } from '../rotation/lifetimes.js';
import type { Claim } from '../rotation/ports.js';
import { arrayLiteral } from './quote.js';

/**
 * The parameters $1 to $7 that claims have in every statement, each an array with one element a claim: jti, user key,
 * start of its session (s), claimed at (us), successor's jti, successor's token, end of its row (s).
 *
 * @param marginSeconds by how much later than `exp` this site's rows are dated
 */
export function claimValues(claims: readonly Claim[], marginSeconds: number): string[] {
  return [
    arrayLiteral(claims.map((c) => c.jti)),
    arrayLiteral(claims.map((c) => c.userKey)),
    arrayLiteral(claims.map((c) => c.startSeconds ?? c.issuedAtSeconds)),
    arrayLiteral(claims.map((c) => c.claimedAtUs)),
    arrayLiteral(claims.map((c) => c.successor.jti)),
    arrayLiteral(claims.map((c) => c.successor.token)),
    arrayLiteral(claims.map((c) => rowEndSeconds(c.successor.expiresAtSeconds, marginSeconds))),
  ];
}

/** The ends of the claimed tokens' own rows (s). */
export function rowEnds(claims: readonly Claim[], marginSeconds: number): string {
  return arrayLiteral(claims.map((c) => rowEndSeconds(c.expiresAtSeconds, marginSeconds)));
}

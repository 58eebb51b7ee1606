import type { ClaimResult, TokenState } from '../rotation/ports.js';
import { standingOf } from '../rotation/standing.js';
import type { ClaimRow } from './claim-sql.js';
import type { StateRow } from './state-sql.js';

/** What came of a claim: its row of the statement, or the reference that was missing. */
export type RawClaim = ClaimRow | 'user_gone' | 'row_gone';

/**
 * `again`: the row isn't where the cache said, or was made by another session meanwhile. `claims_unfit`: nothing was
 * written, because what the site has for the user's access tokens can't be put into one.
 */
export function readClaim(raw: RawClaim, repeated: boolean): ClaimResult | 'again' | 'claims_unfit' {
  if (raw === 'user_gone') return { kind: 'refused', standing: 'gone' };
  if (raw === 'row_gone') return 'again';
  if (raw.won) {
    if (raw.next_id === null) return { kind: 'successor_stands' };
    return { kind: 'won', successorRowId: raw.next_id, freshClaims: raw.claims ?? undefined };
  }
  if (raw.spent === true) return { kind: 'spent', overlapped: false, repeated };
  const standing = standingOf(raw);
  if (standing !== 'good') return { kind: 'refused', standing };
  if (raw.claims_fit === false) return 'claims_unfit';
  if (raw.id === null) return 'again';
  if (raw.ahead === true) return { kind: 'ahead' };
  // Nobody's row stood when the statement began, and ours wasn't the first: another committed meanwhile.
  return { kind: 'spent', overlapped: true, repeated };
}

export function toState(row: StateRow): TokenState {
  return {
    row: row.id === null ? undefined : { id: row.id, blacklistedAtUs: toUs(row.blacklisted_us) },
    successor:
      row.next_id === null || row.next_jti === null || row.next_token === null
        ? undefined
        : {
            id: row.next_id,
            jti: row.next_jti,
            token: row.next_token,
            createdAtUs: toUs(row.next_created_us),
            blacklisted: row.next_blacklisted === true,
          },
    standing: standingOf(row),
    freshClaims: row.claims_fit === false ? null : (row.claims ?? undefined),
    readAtUs: Number(row.now_us),
  };
}

function toUs(text: string | null): number | undefined {
  return text === null ? undefined : Number(text);
}

import type { Claims } from './ports.js';

/**
 * What a site does with refresh tokens, as `--rotation` has it.
 *
 * - `on`: each is spent, and answered with the next one (ROTATE_REFRESH_TOKENS and BLACKLIST_AFTER_ROTATION).
 * - `off`: it is kept, and answered with an access token alone (simplejwt's default).
 * - `keep`: answered with another one beside it; both stay good (rotation without blacklisting).
 * - `offered`: `on` for clients that say that they keep a new token, `off` for the others.
 */
export type Rotation = 'on' | 'off' | 'keep' | 'offered';

/** What is due to one token. `reissue`: a pair without spending it; `access_only`: just an access token. */
export type Due = 'spend' | 'reissue' | 'access_only';

/** What is known of a token and of who brings it. */
export interface Presented {
  /** The token came of a rotation that was offered. */
  readonly marked: boolean;
  /** The client says that it keeps a new token. */
  readonly accepts: boolean;
}

/** A marked token is always spent: whoever steals it must not escape rotation by leaving the header out. */
export function dueTo(rotation: Rotation, { marked, accepts }: Presented): Due {
  switch (rotation) {
    case 'on':
      return 'spend';
    case 'off':
      return 'access_only';
    case 'keep':
      return 'reissue';
    case 'offered':
      return marked || accepts ? 'spend' : 'access_only';
  }
}

/**
 * Whether a spent token that comes back says that somebody has stolen it. While a site moves, an old tab and a new one may
 * share the token of their log-in: that is refused, and nobody is accused.
 */
export function accuses(rotation: Rotation, marked: boolean): boolean {
  return rotation !== 'offered' || marked;
}

/** Whether a site with this policy ever spends a token. */
export function spends(rotation: Rotation): boolean {
  return rotation === 'on' || rotation === 'offered';
}

/** In refresh tokens only: it says that their holder keeps what a rotation answers. */
export const ROTATES = 'carelink_rotates';

/** What an offered rotation adds to the claims of its successors. */
export const OFFERED_CLAIMS: Claims = Object.freeze({ [ROTATES]: true });

export const NO_ADDED_CLAIMS: Claims = Object.freeze({});

export function isMarked(claims: Claims): boolean {
  return claims[ROTATES] === true;
}

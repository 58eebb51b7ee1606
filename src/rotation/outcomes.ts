import type { Span } from './span.js';

/**
 * What can come of a request, as values. Nothing here is an exception: an exception out of the rotation room
 * means broken code, and becomes a 500.
 */

/** Why a token is refused before anybody asks whether it was spent. simplejwt's wording is http's business. */
export type Refusal =
  | { readonly kind: 'invalid'; readonly reason: 'invalid' | 'expired' }
  | { readonly kind: 'malformed'; readonly reason: 'wrong_type' | 'no_type' | 'no_id' | 'no_exp' }
  | { readonly kind: 'inactive' }
  /** Nothing is written: the token is unspent, and good again where the setting was wrong (rule 29). */
  | { readonly kind: 'password_changed' }
  | { readonly kind: 'blacklisted' }
  | { readonly kind: 'unavailable'; readonly retryAfterSeconds: number };

/** When the refresh token that the client has after the answer can be used no more: what a cookie and a page want to know. */
export interface RefreshEnd {
  readonly refreshExpiresAtSeconds: number;
}

export type RefreshOutcome =
  | (RefreshEnd & {
      readonly kind: 'rotated';
      readonly access: string;
      readonly refresh: string;
      /** The claim's time: what iat and exp of the pair were derived from. */
      readonly claimedAtUs: number;
      /** True where the pair was handed out before and this is a repeat inside the grace, or a resumed claim. */
      readonly replayed: boolean;
    })
  /** Nothing was spent. `refresh` undefined: the client keeps the token that it has. */
  | (RefreshEnd & {
      readonly kind: 'reissued';
      readonly access: string;
      readonly refresh: string | undefined;
      /** The token that is kept names a later end than its session's. */
      readonly endsEarly: boolean;
      readonly issuedAtUs: number;
    })
  /** Another refresh of the same token was in flight; this request did not spend it. */
  | { readonly kind: 'in_progress'; readonly retryAfterSeconds: number }
  /** The user refreshes more often than is allowed; nothing was asked of any store. */
  | { readonly kind: 'throttled'; readonly waitMs: number }
  /** No browser would keep a cookie with its successor: nothing was spent. */
  | { readonly kind: 'too_large'; readonly bytes: number; readonly mostBytes: number }
  | Refusal;

export type VerifyOutcome = { readonly kind: 'valid' } | Refusal;

export type LogoutOutcome = { readonly kind: 'logged_out' } | Refusal;

export type SlideOutcome =
  | { readonly kind: 'slid'; readonly token: string }
  | { readonly kind: 'refresh_expired' }
  | { readonly kind: 'no_refresh_exp' }
  | Refusal;

/** The four things the public port offers. One is built a process; http is handed it and nothing else. */
export interface TokenService {
  /**
   * @param accepts the client says that it keeps a new refresh token: of meaning with `--rotation offered`
   * @param span where the request is traced; here and below
   */
  refresh(token: string, accepts?: boolean, span?: Span): Promise<RefreshOutcome>;
  verify(token: string, span?: Span): Promise<VerifyOutcome>;
  logout(token: string, span?: Span): Promise<LogoutOutcome>;
  slide(token: string, span?: Span): Promise<SlideOutcome>;
}

/** What the load clients saw, and what stands in the database in the end: all that the history checker judges by. */

/** One request: a token sent to a server, and what came back. */
export interface Attempt {
  /** One log-in and all its rotations. Here every family has a user of its own, so it is the user's id. */
  readonly family: string;
  readonly requestId: number;
  /** The jti of the token that was sent. */
  readonly jti: string;
  readonly sentAtMs: number;
  /** When the answer was there, or the connection's end. */
  readonly endedAtMs: number;
  /** `none`: the connection ended without an answer; whether the token was spent is unknown. */
  readonly status: number | 'none';
  /** The body of a 200. */
  readonly pair?: TokenPair;
}

export interface TokenPair {
  readonly access: string;
  readonly refresh: string;
}

export interface OutstandingRow {
  readonly id: string;
  readonly family: string;
  readonly jti: string;
  readonly token: string;
  readonly createdAtUs: bigint;
}

export interface BlacklistedRow {
  readonly tokenId: string;
  readonly blacklistedAtUs: bigint;
}

export interface FinalRows {
  readonly outstanding: readonly OutstandingRow[];
  readonly blacklisted: readonly BlacklistedRow[];
}

export interface History {
  /** The token each family began with: family to jti. */
  readonly roots: ReadonlyMap<string, string>;
  readonly attempts: readonly Attempt[];
  readonly rows: FinalRows;
}

/** How the servers were set up. */
export interface Rules {
  readonly graceMs: number;
  readonly accessLifetimeSeconds: number;
  readonly refreshLifetimeSeconds: number;
  /**
   * A Redis that claims were taken in was lost, or out of somebody's reach: a token may have been answered twice, by two
   * claims, with one successor (its id is derived) in two wordings. Never with two successors.
   */
  readonly lateDoubles: boolean;
  /**
   * The signing key was changed meanwhile: a repeat on the other side of the change has the same header and claims, to the
   * byte, and another signature.
   */
  readonly keysChange: boolean;
  /** How far the clocks of clients and database may lie apart; 0 would do on one machine, were reading them free. */
  readonly clockSlackMs: number;
}

/** The server's defaults; see docs or `serve --help`. */
export const DEFAULT_RULES: Rules = {
  graceMs: 0,
  accessLifetimeSeconds: 15 * 60,
  refreshLifetimeSeconds: 12 * 3600,
  lateDoubles: false,
  keysChange: false,
  clockSlackMs: 1_000,
};

export const VIOLATION_KINDS = [
  // Single answers
  'unexpected_status',
  'malformed_pair',
  'pair_of_another_user',
  'wrong_lifetime',
  // The answers to one token
  'successors_differ',
  'pairs_differ',
  'answered_twice',
  'replayed_after_grace',
  'replayed_after_use',
  'repeat_refused',
  'never_resumed',
  'refused_while_live',
  'busy_alone',
  // Answers against rows
  'token_not_outstanding',
  'answered_but_not_blacklisted',
  'successor_not_outstanding',
  'stored_token_differs',
  'marker_differs',
  'iat_differs',
  'refused_but_spent',
  'spent_by_nobody',
  'claimed_at_another_time',
  // Families
  'shared_successor',
  'token_from_nowhere',
  'two_live_tokens',
  'no_live_token',
  'row_without_claim',
  'forked_claim',
  // Rows among themselves
  'duplicate_row',
  'blacklisted_without_token',
] as const;
export type ViolationKind = (typeof VIOLATION_KINDS)[number];

export interface Violation {
  readonly kind: ViolationKind;
  readonly family: string;
  readonly jti: string;
  /** A sentence with the figures. */
  readonly what: string;
  readonly attempts: readonly Attempt[];
}

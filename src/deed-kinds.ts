/**
 * What the audit knows of: what a server does by itself, and what an operator has done by a command. `late_claim`: a refresh that
 * was answered from Redis turned out to have come after its session's end, and what was handed out is ended.
 */
export const DEED_KINDS = [
  'logout',
  'reuse',
  'late_claim',
  'revoke_user',
  'revoke_session',
  'revoke_family',
  'revoke_token',
  'revoke_everybody',
] as const;

export type DeedKind = (typeof DEED_KINDS)[number];

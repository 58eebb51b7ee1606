import type { Refusal } from './outcomes.js';

/**
 * Whether the user of a token may have it refreshed, beside what the token's own rows say. `gone`: there is no such user;
 * `inactive`: there is one who may not, or none (a statement needn't tell them apart); `revoked`: tokens of this age are;
 * `password_changed`: since the token's session began.
 */
export type Standing = 'good' | BadStanding;

export type BadStanding = 'revoked' | 'gone' | 'inactive' | 'password_changed';

/** What a statement tells of a token's user (store/who-sql.ts). Null: it had no reason to look. */
export interface WhoFacts {
  readonly active: boolean | null;
  readonly revoked: boolean | null;
  /** Whether there is such a user; absent where `active` false says both. */
  readonly found?: boolean | null;
  /** The password isn't the one that the token was made for; absent where it is not compared. */
  readonly changed?: boolean | null;
  /** What the site wants in the user's access tokens, as text of JSON; absent where there is no such thing. */
  readonly claims?: string | null;
  readonly claims_fit?: boolean | null;
}

/** In Django's order (rule 28): what is revoked is as good as blacklisted, and that is asked before the user is. */
export function standingOf({ active, revoked, found, changed }: WhoFacts): Standing {
  if (revoked === true) return 'revoked';
  if (found === false) return 'gone';
  if (active === false) return 'inactive';
  if (changed === true) return 'password_changed';
  return 'good';
}

/** What the client is told. Django says the same of users that are gone and that are inactive. */
export function refusalOf(standing: BadStanding): UserRefusal {
  if (standing === 'revoked') return { kind: 'blacklisted' };
  return standing === 'password_changed' ? { kind: 'password_changed' } : { kind: 'inactive' };
}

export type UserRefusal = Extract<
  Refusal,
  { readonly kind: 'blacklisted' | 'inactive' | 'password_changed' }
>;

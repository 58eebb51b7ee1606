import { keepSql } from './claim-sql.js';
import type { TokenSchema } from './schema.js';
import { microsecondsSql } from './time-sql.js';
import { existingUserIdOf, inGoodStanding, passwordHashInput, whoJoin } from './who-sql.js';

/** What became of one claim. Times are microseconds. */
export interface WrittenRow {
  readonly n: number;
  /** Null: the row came to be while the statement ran; again, in a new one. */
  readonly id: string | null;
  readonly next_id: string | null;
  readonly won: boolean;
  /** When it had been blacklisted before, if it was there to be seen. */
  readonly spent_us: string | null;
  /** When the successor's row was made that stood before. */
  readonly next_us: string | null;
  /** The user is active, and the token is not revoked. */
  readonly stands: boolean;
  readonly now_us: string;
}

/**
 * Writes claims that were answered already, so nothing but a row of another's keeps them out: neither an inactive user
 * nor a revocation, which are for the next claim to see: of them it is told. A user who is gone leaves NULL, as Django does.
 *
 * Entries may come in any order, several times, and after claims that were made without them: what stands in the end is
 * the same. So where the successor's row stood before its predecessor was spent (it was found missing and made, by a
 * claim of its own), it gets the time of the claim that made the token: the marker of a rotation (rule 2).
 *
 * Parameters, each an array with one element a claim: $1 jti, $2 user key, $3 start of the session (s), $4 claimed at (us),
 * $5 successor's jti, $6 successor's token, $7 successor's exp (s), $8 token, $9 exp (s);
 * where passwords are compared $10 the hash that the token holds
 */
export function writeBehindSql(schema: TokenSchema): string {
  const hash = passwordHashInput(schema, '$10');
  return `
  WITH quiet AS (
    -- The triggers of migrate --notify needn't tell: whoever writes tells Redis, and there is nobody else to know.
    SELECT set_config('carelink.write_behind', 'on', true) AS value OFFSET 0
  ),
  checked AS (
    SELECT i.n, i.jti, i.token, i.iat, i.next_jti, i.next_token,
           to_timestamp(0) + i.claimed_us * interval '1 microsecond' AS claimed_at,
           to_timestamp(i.exp) AS expires_at, to_timestamp(i.next_exp) AS next_expires_at,
           o.id, o.expires_at < to_timestamp(i.exp) AS outlived, s.id AS next_id, s.created_at AS next_created_at,
           coalesce(o.user_id, ${existingUserIdOf(schema, 'i')}) AS user_id,
           ${inGoodStanding(schema, 'i')} AS stands
      FROM quiet
     CROSS JOIN LATERAL unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
                               $8::text[], $9::bigint[]${hash.array})
           WITH ORDINALITY AS i (jti, user_key, iat, claimed_us, next_jti, next_token, next_exp, token, exp${hash.column}, n)${whoJoin(schema, 'i')}
      LEFT JOIN ${schema.outstanding} o ON o.jti = i.jti
      LEFT JOIN ${schema.outstanding} s ON s.jti = i.next_jti
     WHERE quiet.value IS NOT NULL
  ),
  made AS (
    INSERT INTO ${schema.outstanding} (token, created_at, expires_at, user_id, jti)
    SELECT token, to_timestamp(iat), expires_at, user_id, jti
      FROM checked
     WHERE id IS NULL
     ORDER BY jti
    ON CONFLICT (jti) DO NOTHING
    RETURNING id, jti
  ),
  judged AS (
    SELECT c.*, coalesce(c.id, m.id) AS old_id
      FROM checked c
      LEFT JOIN made m ON m.jti = c.jti
  ),
  claimed AS (
    INSERT INTO ${schema.blacklisted} (blacklisted_at, token_id)
    SELECT claimed_at, old_id
      FROM judged
     WHERE old_id IS NOT NULL
     ORDER BY old_id
    ON CONFLICT (token_id) DO NOTHING
    RETURNING token_id
  ),
  successor AS (
    INSERT INTO ${schema.outstanding} (token, created_at, expires_at, user_id, jti)
    SELECT next_token, claimed_at, next_expires_at, user_id, next_jti
      FROM judged
     WHERE next_id IS NULL AND old_id IS NOT NULL
     ORDER BY next_jti
    ON CONFLICT (jti) DO NOTHING
    RETURNING id, jti
  ),
  marked AS (
    UPDATE ${schema.outstanding} o
       SET created_at = j.claimed_at
      FROM judged j
      LEFT JOIN claimed c ON c.token_id = j.old_id
     WHERE o.id = j.next_id AND j.next_created_at IS DISTINCT FROM j.claimed_at
       -- Ours: now, or in a statement before, to which the successor's row was not to be seen yet.
       AND (c.token_id IS NOT NULL
            OR EXISTS (SELECT 1 FROM ${schema.blacklisted} b
                        WHERE b.token_id = j.id AND b.blacklisted_at = j.claimed_at))
    RETURNING o.id
  )${keepSql(schema, 'judged')}
  SELECT j.n::int AS n, j.old_id AS id, coalesce(j.next_id, s.id) AS next_id,
         c.token_id IS NOT NULL AS won,
         ${microsecondsSql('b.blacklisted_at')} AS spent_us,
         ${microsecondsSql('j.next_created_at')} AS next_us,
         j.stands,
         ${microsecondsSql('clock_timestamp()')} AS now_us
    FROM judged j
    LEFT JOIN claimed c ON c.token_id = j.old_id
    LEFT JOIN successor s ON s.jti = j.next_jti
    LEFT JOIN ${schema.blacklisted} b ON b.token_id = j.id`;
}

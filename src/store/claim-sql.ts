import type { TokenSchema } from './schema.js';

/**
 * The claim: many refreshes in one statement. It spends the old tokens, records their successors, and tells who
 * won. The unique constraint on `token_id` is the arbiter (rule 1): whoever's INSERT returns its row has rotated
 * the token; everybody else hasn't.
 *
 * Parameters, each an array with one element a refresh:
 *   $1 row id, $2 jti, $3 user key, $4 iat (s), $5 claimed at (us),
 *   $6 successor's jti, $7 successor's token, $8 successor's exp (s); for find-or-insert also $9 token, $10 exp (s)
 */
export interface ClaimRow {
  readonly n: number;
  /** The old token's row; null: none was there, or (find-or-insert) it came to be while the statement ran. */
  readonly id: string | null;
  readonly active: boolean | null;
  readonly revoked: boolean | null;
  /** The claim's time was ahead of the database's clock. */
  readonly ahead: boolean | null;
  readonly won: boolean;
  /** Blacklisted already when the statement began. */
  readonly spent: boolean | null;
  readonly next_id: string | null;
  readonly now_us: string;
}

const INPUT = `
  input AS (
    SELECT n, row_id, jti, user_key, iat, to_timestamp(0) + claimed_us * interval '1 microsecond' AS claimed_at,
           next_jti, next_token, to_timestamp(next_exp) AS next_expires_at
      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[])
           WITH ORDINALITY AS i (row_id, jti, user_key, iat, claimed_us, next_jti, next_token, next_exp, n)
  )`;

/** Joins on id *and* jti: after a restore the ids of rows are used again (rule 1). */
const KNOWN_ROWS = (schema: TokenSchema): string => `
  target AS (
    SELECT i.*, o.id, o.user_id
      FROM input i
      JOIN ${schema.outstanding} o ON o.id = i.row_id AND o.jti = i.jti
  )`;

/**
 * Finds rows by jti, and makes those that are missing: simplejwt 5.2 records no successor, and accepts a signed
 * token without a row. A row that another session makes at this moment is in neither set: its id comes back
 * NULL, and the claim is repeated in a new statement.
 */
const FOUND_OR_MADE_ROWS = (schema: TokenSchema): string => `
  found AS (
    SELECT i.n, o.id, o.user_id
      FROM input i
      JOIN ${schema.outstanding} o ON o.jti = i.jti
  ),
  made AS (
    INSERT INTO ${schema.outstanding} (token, created_at, expires_at, user_id, jti)
    SELECT t.token, to_timestamp(i.iat), to_timestamp(t.exp), ${userIdOf(schema, 'i')}, i.jti
      FROM input i
      JOIN unnest($9::text[], $10::bigint[]) WITH ORDINALITY AS t (token, exp, n) USING (n)
     WHERE NOT EXISTS (SELECT 1 FROM found WHERE found.n = i.n)
       AND ${isActive(schema, 'i')} AND NOT ${isRevoked('i')}
     ORDER BY i.jti
    ON CONFLICT (jti) DO NOTHING
    RETURNING id, user_id, jti
  ),
  target AS (
    SELECT i.*, f.id, f.user_id FROM input i JOIN found f USING (n)
    UNION ALL
    SELECT i.*, m.id, m.user_id FROM input i JOIN made m ON m.jti = i.jti
  )`;

/** The rows are locked in the order of their ids, so that two instances' batches don't deadlock. */
const CLAIM = (schema: TokenSchema): string => `
  judged AS (
    SELECT i.n, t.id, i.claimed_at, i.next_jti, i.next_token, i.next_expires_at,
           coalesce(t.user_id, ${userIdOf(schema, 'i')}) AS user_id,
           ${isActive(schema, 'i')} AS active,
           ${isRevoked('i')} AS revoked,
           i.claimed_at > clock_timestamp() AS ahead
      FROM input i
      LEFT JOIN target t USING (n)
  ),
  claimed AS (
    INSERT INTO ${schema.blacklisted} (blacklisted_at, token_id)
    SELECT claimed_at, id
      FROM judged
     WHERE id IS NOT NULL AND active AND NOT revoked AND NOT ahead
     ORDER BY id
    ON CONFLICT (token_id) DO NOTHING
    RETURNING token_id
  ),
  successor AS (
    INSERT INTO ${schema.outstanding} (token, created_at, expires_at, user_id, jti)
    SELECT j.next_token, j.claimed_at, j.next_expires_at, j.user_id, j.next_jti
      FROM claimed c
      JOIN judged j ON j.id = c.token_id
    ON CONFLICT (jti) DO NOTHING
    RETURNING id, jti
  )
  SELECT j.n::int AS n, j.id, j.active, j.revoked, j.ahead,
         c.token_id IS NOT NULL AS won,
         CASE WHEN c.token_id IS NULL
              THEN EXISTS (SELECT 1 FROM ${schema.blacklisted} b WHERE b.token_id = j.id)
         END AS spent,
         s.id AS next_id,
         (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
    FROM judged j
    LEFT JOIN claimed c ON c.token_id = j.id
    LEFT JOIN successor s ON s.jti = j.next_jti`;

export function claimKnownSql(schema: TokenSchema): string {
  return `WITH ${INPUT}, ${KNOWN_ROWS(schema)}, ${CLAIM(schema)}`;
}

export function claimByJtiSql(schema: TokenSchema): string {
  return `WITH ${INPUT}, ${FOUND_OR_MADE_ROWS(schema)}, ${CLAIM(schema)}`;
}

/** True for a token that names no user: simplejwt checks none then. */
export function isActive(schema: TokenSchema, input: string): string {
  const { users } = schema;
  if (users === undefined) return 'true';
  return `(${input}.user_key IS NULL OR EXISTS (
             SELECT 1 FROM ${users.name} u
              WHERE u.${users.keyColumn} = ${input}.user_key::${users.keyType} AND u.${users.activeColumn}))`;
}

/** A token without iat is as old as can be. */
export function isRevoked(input: string): string {
  return `EXISTS (SELECT 1 FROM carelink.revoked_before r
                   WHERE r.user_key = ${input}.user_key AND to_timestamp(coalesce(${input}.iat, 0)) < r.at)`;
}

/** What `user_id` must hold for a token's user: the key itself, or the key of the row that it names. */
export function userIdOf(schema: TokenSchema, input: string): string {
  const { users, userIdType } = schema;
  if (users === undefined || users.keyColumn === users.primaryColumn)
    return `${input}.user_key::${userIdType}`;
  return `(SELECT u.${users.primaryColumn} FROM ${users.name} u WHERE u.${users.keyColumn} = ${input}.user_key::${users.keyType})`;
}

import type { WhoFacts } from '../rotation/standing.js';
import type { Patience } from './spare-lanes.js';
import type { TokenSchema } from './schema.js';
import { microsecondsSql } from './time-sql.js';
import {
  isInGoodStanding,
  passwordHashInput,
  userIdOf,
  whoColumns,
  whoJoin,
  whoNames,
  whoTold,
} from './who-sql.js';

/**
 * The claim: many refreshes in one statement. It spends the old tokens, records their successors, and tells who
 * won. The unique constraint on `token_id` is the arbiter (rule 1): whoever's INSERT returns its row has rotated
 * the token; everybody else hasn't.
 *
 * Parameters, each an array with one element a refresh:
 *   $1 jti, $2 user key, $3 start of the session (s), $4 claimed at (us), $5 successor's jti, $6 successor's token,
 *   $7 successor's exp (s), $8 exp (s); for known rows $9 row id; for find-or-insert $9 token;
 *   where passwords are compared $10 the hash that the token holds
 */
export interface ClaimRow extends WhoFacts {
  readonly n: number;
  readonly won: boolean;
  readonly next_id: string | null;
  /** Of one row alone. */
  readonly now_us: string | null;
  // Why it wasn't won. All of this is null where it was: a column less for each refresh is a hundredth of its time.
  /** The old token's row; null: none was there, or (find-or-insert) it came to be while the statement ran. */
  readonly id: string | null;
  /** The claim's time was ahead of the database's clock. */
  readonly ahead: boolean | null;
  /** Blacklisted already when the statement began. */
  readonly spent: boolean | null;
  /** Left out, for its row ends before the token does; see `Outlived`. */
  readonly outlived: boolean | null;
}

/**
 * What becomes of a claim whose row ends before its token: it is left to another statement, or the row is put off in
 * this one. `as_they_are`: the role may not put rows off.
 */
export type Outlived = 'left_out' | 'kept' | 'as_they_are';

type PasswordHashInput = ReturnType<typeof passwordHashInput>;

const INPUT = {
  known: ({ array, column }: PasswordHashInput) => `
    SELECT n, row_id, jti, user_key, iat, to_timestamp(0) + claimed_us * interval '1 microsecond' AS claimed_at,
           next_jti, next_token, to_timestamp(next_exp) AS next_expires_at, to_timestamp(exp) AS expires_at${column}
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
                  $8::bigint[], $9::bigint[]${array})
           WITH ORDINALITY AS i (jti, user_key, iat, claimed_us, next_jti, next_token, next_exp, exp, row_id${column}, n)`,
  byJti: ({ array, column }: PasswordHashInput) => `
    SELECT n, jti, user_key, iat, to_timestamp(0) + claimed_us * interval '1 microsecond' AS claimed_at,
           next_jti, next_token, to_timestamp(next_exp) AS next_expires_at, token, to_timestamp(exp) AS expires_at${column}
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
                  $8::bigint[], $9::text[]${array})
           WITH ORDINALITY AS i (jti, user_key, iat, claimed_us, next_jti, next_token, next_exp, exp, token${column}, n)`,
};

/** Each refresh with its row and its user. `join`: how the row is found. */
function checked(schema: TokenSchema, input: string, join: string): string {
  return `
    SELECT i.*, o.id, coalesce(o.user_id, ${userIdOf(schema, 'i')}) AS user_id,
           ${whoColumns(schema, 'i')},
           i.claimed_at > clock_timestamp() AS ahead,
           o.expires_at < i.expires_at AS outlived
      FROM (${input}) i${whoJoin(schema, 'i')}
      LEFT JOIN ${schema.outstanding} o ON ${join}`;
}

/** The row ids are locked in order, so that two instances' batches don't deadlock. */
function claim(schema: TokenSchema, outlived: Outlived): string {
  const leftOut = outlived === 'left_out';
  return `
  claimed AS (
    INSERT INTO ${schema.blacklisted} (blacklisted_at, token_id)
    SELECT claimed_at, id
      FROM judged
     WHERE id IS NOT NULL AND ${isInGoodStanding(schema)} AND NOT ahead${leftOut ? ' AND outlived IS NOT TRUE' : ''}
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
  )${outlived === 'kept' ? keepSql(schema, 'judged') : ''}
  SELECT j.n::int AS n, c.token_id IS NOT NULL AS won, s.id AS next_id,
         CASE WHEN j.n = 1 THEN ${microsecondsSql('clock_timestamp()')} END AS now_us,
         ${whoTold(schema, 'j', 'c.token_id IS NULL')},
         CASE WHEN c.token_id IS NULL THEN j.id END AS id,
         CASE WHEN c.token_id IS NULL THEN j.ahead END AS ahead,
         ${leftOut ? 'CASE WHEN c.token_id IS NULL THEN j.outlived END' : 'NULL::boolean'} AS outlived,
         CASE WHEN c.token_id IS NULL
              THEN EXISTS (SELECT 1 FROM ${schema.blacklisted} b WHERE b.token_id = j.id)
         END AS spent
    FROM judged j
    LEFT JOIN claimed c ON c.token_id = j.id
    LEFT JOIN successor s ON s.jti = j.next_jti`;
}

/**
 * How long a piece of a batch that met a lock waits for it. It was waited for already, by the whole batch; now it's
 * only asked which of the rows it is on, and a hundred that are locked must be found in a fraction of a request's time.
 */
const BRIEF_LOCK_TIMEOUT = '15ms';

/** The setting lasts for the statement's transaction, foreign key checks at its commit included. */
function patient(patience: Patience, input: string): string {
  if (patience === 'usual') return input;
  return `
    SELECT i.* FROM (SELECT set_config('lock_timeout', '${BRIEF_LOCK_TIMEOUT}', true) AS timeout OFFSET 0) s
     CROSS JOIN LATERAL (${input}) i
     WHERE s.timeout IS NOT NULL`;
}

/** Claims tokens whose row ids are known. Joins on id *and* jti: after a restore the ids are used again (rule 1). */
export function claimKnownSql(schema: TokenSchema, patience: Patience, outlived: Outlived): string {
  return `
  WITH judged AS (${checked(schema, patient(patience, INPUT.known(passwordHashInput(schema, '$10'))), 'o.id = i.row_id AND o.jti = i.jti')}
  ),${claim(schema, outlived)}`;
}

/**
 * Finds rows by jti, and makes those that are missing: simplejwt 5.2 records no successor, and accepts a signed
 * token without a row. A row that another session makes at this moment is neither found nor made: its id comes
 * back NULL, and the claim is repeated in a new statement.
 */
export function claimByJtiSql(schema: TokenSchema, patience: Patience, outlived: Outlived): string {
  return `
  WITH checked AS (${checked(schema, patient(patience, INPUT.byJti(passwordHashInput(schema, '$10'))), 'o.jti = i.jti')}
  ),
  made AS (
    INSERT INTO ${schema.outstanding} (token, created_at, expires_at, user_id, jti)
    SELECT token, to_timestamp(iat), expires_at, user_id, jti
      FROM checked
     WHERE id IS NULL AND ${isInGoodStanding(schema)}
     ORDER BY jti
    ON CONFLICT (jti) DO NOTHING
    RETURNING id, jti
  ),
  judged AS (
    SELECT i.n, coalesce(i.id, m.id) AS id, i.claimed_at, i.next_jti, i.next_token, i.next_expires_at, i.user_id,
           ${whoNames(schema, 'i')}, i.ahead, i.outlived, i.expires_at
      FROM checked i
      LEFT JOIN made m ON m.jti = i.jti
  ),${claim(schema, outlived)}`;
}

/**
 * A token may live longer than its row says: projects lengthen one after `for_user` has made its row. The row must
 * stay as long, or whatever cleans up by `expires_at` brings a spent token back. Nothing is touched where `outlived` is
 * false, as it is of all rows that we made.
 *
 * @param met a CTE of the rows: id, expires_at (of the token), outlived
 */
export function keepSql(schema: TokenSchema, met: string): string {
  if (!schema.mayKeep) return '';
  return `,
  kept AS (
    UPDATE ${schema.outstanding} o
       SET expires_at = k.expires_at
      FROM (SELECT m.id, m.expires_at FROM ${met} m WHERE m.outlived ORDER BY m.id) k
     WHERE o.id = k.id AND o.expires_at < k.expires_at
  )`;
}

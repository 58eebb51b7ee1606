import type { WhoFacts } from '../rotation/standing.js';
import type { TokenSchema } from './schema.js';
import { microsecondsSql } from './time-sql.js';
import { passwordHashInput, whoColumns, whoJoin } from './who-sql.js';

export interface StateRow extends WhoFacts {
  readonly n: number;
  readonly id: string | null;
  readonly blacklisted_us: string | null;
  readonly next_id: string | null;
  readonly next_jti: string | null;
  readonly next_token: string | null;
  readonly next_created_us: string | null;
  readonly next_blacklisted: boolean | null;
  /** Blacklisted, by a row that says less than the token does. */
  readonly outlived: boolean;
  readonly now_us: string;
}

/** The smallest transaction whose commit waits for the synchronous standby, and so for all that was written before it. */
const EMIT = `pg_logical_emit_message(true, 'carelink', '')`;
export const CONFIRM_SQL = `SELECT ${EMIT}`;

/** Whether the role may write what is waited for. */
export const MAY_CONFIRM_SQL = `
  (SELECT bool_or(has_function_privilege(p.oid, 'EXECUTE'))
     FROM pg_proc p
    WHERE p.proname = 'pg_logical_emit_message' AND p.pronamespace = 'pg_catalog'::regnamespace
      AND p.proargtypes[2] = 'text'::regtype)`;

/**
 * A claim whose wait for the standby was ended stands here, and perhaps nowhere else. A repeat that reads it hands out
 * its pair without a commit, so it must wait itself (rule 37).
 */
const CONFIRMED = `
           CASE WHEN s.created_at = b.blacklisted_at AND NOT s.blacklisted
                 AND current_setting('transaction_read_only') = 'off' THEN ${EMIT} END AS confirmed,`;

/**
 * The rows of tokens, of their successors and of their users, at one moment (rule 6).
 * $1 jti, $2 user key, $3 start of the session (s), $4 end of its life (s), one element a token; $5, $6: number of the token and possible
 * successor's jti; where passwords are compared $7: the hash that the token holds.
 *
 * @param confirm rotations that are to be replayed are on the synchronous standby when it returns
 */
export function readStateSql(schema: TokenSchema, confirm = false): string {
  const hash = passwordHashInput(schema, '$7');
  return `
    SELECT i.n::int AS n, o.id, ${microsecondsSql('b.blacklisted_at')} AS blacklisted_us,
           s.id AS next_id, s.jti AS next_jti, s.token AS next_token,
           ${microsecondsSql('s.created_at')} AS next_created_us, s.blacklisted AS next_blacklisted,
           ${whoColumns(schema, 'i')},${confirm ? CONFIRMED : ''}
           b.token_id IS NOT NULL AND o.expires_at < to_timestamp(i.until) AS outlived,
           ${microsecondsSql('clock_timestamp()')} AS now_us
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]${hash.array})
           WITH ORDINALITY AS i (jti, user_key, iat, until${hash.column}, n)${whoJoin(schema, 'i', 'i.n = ANY ($5::int[])')}
      LEFT JOIN ${schema.outstanding} o ON o.jti = i.jti
      LEFT JOIN ${schema.blacklisted} b ON b.token_id = o.id
      LEFT JOIN LATERAL (
        SELECT s.id, s.jti, s.token, s.created_at,
               EXISTS (SELECT 1 FROM ${schema.blacklisted} x WHERE x.token_id = s.id) AS blacklisted
          FROM unnest($5::int[], $6::text[]) AS c (n, jti)
          JOIN ${schema.outstanding} s ON s.jti = c.jti
         WHERE c.n = i.n
         LIMIT 1
      ) s ON true`;
}

/** A token that was presented lives longer than its blacklisted row says. $1 row id, $2 end of its life (s). */
export function keepRowSql(schema: TokenSchema): string {
  return `
    UPDATE ${schema.outstanding} o SET expires_at = to_timestamp($2::bigint)
     WHERE o.id = $1::bigint AND o.expires_at < to_timestamp($2::bigint)`;
}

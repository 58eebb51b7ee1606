import { endClaims, isDecodableSql, isUsualSql, payloadJsonSql } from '../store/stored-jwt-sql.js';

/**
 * Whether a row may go, in SQL: its own expires_at, and every `exp` and `refresh_exp` (or what the site calls it) in the JWT that it stores, are
 * not after the cutoff. Read in the database, because a million tokens would be 250 MB to fetch.
 *
 * It errs on one side only. What can't be read for certain stays: a payload that is no clean base64url, an `exp`
 * that is no whole number, a name that is spelt with escapes. A text that is no JWT at all can't be presented, and goes
 * by expires_at.
 */

/** The name of a claim that ends a token's life, and a value that is a whole number and nothing more. */
const whole = (names: string): string => String.raw`"${names}"\s*:\s*([0-9]{1,15})(?=[\s,}])`;
/** The same name with any value. */
const any = (names: string): string => String.raw`"${names}"\s*:`;
/** A JSON escape for a character of ASCII, which no encoder writes; encode(…, 'escape') has doubled its backslash. */
const ODD_ESCAPE = String.raw`\\\\u00[2-7]`;

/**
 * @param row name of the outstanding table in the statement
 * @param cutoff SQL of a timestamptz
 * @param cutoffSeconds SQL of its whole seconds since 1970, rounded down
 * @param slidingEnd what the site calls the end of a sliding token's refreshing; undefined: `refresh_exp`
 */
export function mayGoSql(row: string, cutoff: string, cutoffSeconds: string, slidingEnd?: string): string {
  const names = endClaims(slidingEnd);
  return `(${row}.expires_at <= ${cutoff} AND CASE
      WHEN ${isUsualSql(row)} THEN true
      -- No JWT.
      WHEN ${row}.token NOT LIKE '%.%.%' THEN true
      -- Not to be decoded without an error.
      WHEN NOT ${isDecodableSql(row)} THEN false
      ELSE (
        SELECT json !~ '${ODD_ESCAPE}'
           AND regexp_replace(json, '${whole(names)}', '', 'g') !~ '${any(names)}'
           AND NOT EXISTS (SELECT FROM regexp_matches(json, '${whole(names)}', 'g') AS claim(part)
                            WHERE part[1]::bigint > ${cutoffSeconds})
          FROM (SELECT ${payloadJsonSql(row)} AS json OFFSET 0) AS decoded)
    END)`;
}

import { auditEach, auditMark, auditTokens } from './audit-sql.js';
import { keepSql } from './claim-sql.js';
import type { TokenSchema } from './schema.js';
import { QUIET_SETTING } from './session-settings.js';
import { mayLiveUntilSql, startedAtSql } from './stored-jwt-sql.js';
import { existingUserIdOf, userIdOf } from './who-sql.js';
import type { Owned } from './own-schema.js';

/**
 * Statements that end tokens take one parameter more where the deed is recorded (audit-sql.ts): `deed` is its SQL, and absent
 * they are what they were before there was an audit.
 */

/** $1 jtis. One blacklist row after the other, whatever the planner thinks of so many: it would hash all of them. */
export function findSql(schema: TokenSchema): string {
  return `
    SELECT o.jti, o.id, b.at IS NOT NULL AS blacklisted,
           extract(epoch FROM clock_timestamp() - b.at)::float8 AS "closedForSeconds",
           extract(epoch FROM o.expires_at - o.created_at)::float8 AS "lifeSeconds",
           o.expires_at <= clock_timestamp() AS expired
      FROM ${schema.outstanding} o
      LEFT JOIN LATERAL (
        SELECT b.blacklisted_at AS at FROM ${schema.blacklisted} b WHERE b.token_id = o.id OFFSET 0
      ) b ON true
     WHERE o.jti = ANY ($1::text[])`;
}

/**
 * Beside a log-out or a revocation: let the triggers of `migrate --notify` tell other instances of it. All else that a
 * server writes are rotations, of which nobody may need to be told: its connections may be set to quiet.
 */
const LOUD = `(SELECT set_config('${QUIET_SETTING}', 'off', true) AS quiet OFFSET 0) AS loud`;

/** $1 row ids; returns those that were not blacklisted before. */
export function blacklistRowsSql(schema: TokenSchema, deed?: string): string {
  return recorded(
    schema,
    deed,
    `
    INSERT INTO ${schema.blacklisted} (blacklisted_at, token_id)
    SELECT clock_timestamp(), o.id
      FROM ${schema.outstanding} o, ${LOUD}
     WHERE o.id = ANY ($1::bigint[]) AND loud.quiet = 'off'
     ORDER BY o.id
    ON CONFLICT (token_id) DO NOTHING
    RETURNING token_id`,
  );
}

/** A statement that ends tokens and returns their rows; with the deed recorded where there is one. */
function recorded(
  schema: TokenSchema,
  deed: string | undefined,
  insert: string,
  ctes: readonly string[] = [],
): string {
  if (deed === undefined) return `${ctes.length === 0 ? '' : `WITH ${ctes.join(', ')}`}${insert}`;
  return `WITH ${[...ctes, `won AS (${insert})`].join(', ')}${auditTokens(schema, deed, 'won')}
    SELECT token_id FROM won`;
}

/** $1 jtis; the rows that it was first to blacklist. */
export function blacklistOpenSql(schema: TokenSchema, deed?: string): string {
  const open = `open AS (
      SELECT o.id
        FROM ${schema.outstanding} o
        LEFT JOIN LATERAL (
          SELECT b.token_id FROM ${schema.blacklisted} b WHERE b.token_id = o.id OFFSET 0
        ) b ON true
       WHERE o.jti = ANY ($1::text[]) AND b.token_id IS NULL
    )`;
  const insert = `
    INSERT INTO ${schema.blacklisted} (blacklisted_at, token_id)
    SELECT clock_timestamp(), open.id
      FROM open, ${LOUD}
     WHERE loud.quiet = 'off'
     ORDER BY open.id
    ON CONFLICT (token_id) DO NOTHING
    RETURNING token_id`;
  return recorded(schema, deed, insert, [open]);
}

export interface LoggedOutRow {
  readonly n: number;
  /** Null: a row came to be while the statement ran. */
  readonly id: string | null;
  readonly won: boolean;
}

/**
 * Each an array: $1 jti, $2 token, $3 iat (s), $4 exp (s), $5 user key; recorded $6 deeds. Rows are made in the order of jti and blacklisted in
 * that of their ids, so that two instances' groups don't deadlock.
 */
export function blacklistByJtiSql(schema: TokenSchema, audits = false): string {
  const [deeds, deed] = audits ? [', $6::text[]', ', deed'] : ['', ''];
  return `
    WITH i AS (
      SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[]${deeds})
                    WITH ORDINALITY AS i (jti, token, iat, exp, user_key${deed}, n)
    ),
    found AS (
      SELECT i.n, o.id, to_timestamp(i.exp) AS expires_at, o.expires_at < to_timestamp(i.exp) AS outlived
        FROM i
        JOIN ${schema.outstanding} o ON o.jti = i.jti
    ),
    made AS (
      INSERT INTO ${schema.outstanding} (token, created_at, expires_at, user_id, jti)
      SELECT i.token, to_timestamp(i.iat), to_timestamp(i.exp), ${existingUserIdOf(schema, 'i')}, i.jti
        FROM i
       WHERE NOT EXISTS (SELECT 1 FROM found f WHERE f.n = i.n)
       ORDER BY i.jti
      ON CONFLICT (jti) DO NOTHING
      RETURNING id, jti
    ),
    target AS (
      SELECT n, id FROM found UNION ALL SELECT i.n, m.id FROM made m JOIN i ON i.jti = m.jti
    )${keepSql(schema, 'found')},
    blacklisted AS (
      INSERT INTO ${schema.blacklisted} (blacklisted_at, token_id)
      SELECT clock_timestamp(), id FROM target, ${LOUD} WHERE loud.quiet = 'off' ORDER BY id
      ON CONFLICT (token_id) DO NOTHING
      RETURNING token_id
    )${audits ? auditEach(schema) : ''}
    SELECT i.n::int AS n, t.id, b.token_id IS NOT NULL AS won
      FROM i
      LEFT JOIN target t ON t.n = i.n
      LEFT JOIN blacklisted b ON b.token_id = t.id`;
}

/** $1 user key. Its end is put at the database's clock, never back. */
export function revokeBeforeSql(owned: Owned, deed?: string): string {
  const { own } = owned;
  const mark = `
  INSERT INTO ${own}.revoked_before AS r (user_key, at)
  VALUES ($1, clock_timestamp())
  ON CONFLICT (user_key) DO UPDATE SET at = greatest(r.at, excluded.at)`;
  if (deed === undefined) return mark;
  return `
  WITH marked AS (${mark} RETURNING r.at)${auditMark(owned, deed, 'marked')}
  SELECT at FROM marked`;
}

/**
 * A token that nobody has presented to us: it may live as long as its row and its JWT say, and $2 seconds longer. $1 row ids;
 * returns those that were not blacklisted before.
 */
export function blacklistUnseenSql(schema: TokenSchema, deed?: string): string {
  return `
    WITH met AS (
      SELECT o.id, ${mayLiveUntilSql('o', EXTRA, schema.slidingEnd)} AS expires_at FROM ${schema.outstanding} o WHERE o.id = ANY ($1::bigint[])
    ),
    unseen AS (
      SELECT m.*, o.expires_at < m.expires_at AS outlived FROM met m JOIN ${schema.outstanding} o ON o.id = m.id
    ),
    won AS (
      INSERT INTO ${schema.blacklisted} (blacklisted_at, token_id)
      SELECT clock_timestamp(), id FROM unseen, ${LOUD} WHERE loud.quiet = 'off' ORDER BY id
      ON CONFLICT (token_id) DO NOTHING
      RETURNING token_id
    )${keepSql(schema, 'unseen')}${deed === undefined ? '' : auditTokens(schema, deed, 'won')}
    SELECT token_id FROM won`;
}

const EXTRA = `$2::bigint * interval '1 second'`;

/** The rows of a user ($1) whose tokens may be alive, $2 seconds after their rows say so; `more` is a clause of a WHERE. */
function liveOfUser(schema: TokenSchema, columns: string, more: string): string {
  return `
      SELECT ${columns}
        FROM (SELECT $1::text AS user_key) i
        JOIN ${schema.outstanding} o ON o.user_id = ${userIdOf(schema, 'i')}
        CROSS JOIN LATERAL (SELECT ${mayLiveUntilSql('o', EXTRA, schema.slidingEnd)} AS until OFFSET 0) l
       WHERE NOT EXISTS (SELECT 1 FROM ${schema.blacklisted} b WHERE b.token_id = o.id)
         AND l.until > now() ${more}`;
}

/**
 * $1 user key, $2 how much longer than their rows say tokens may live (s), $3 rows at most; how many live rows were
 * seen, and how many of them this statement blacklisted.
 */
export function blacklistUserSql(schema: TokenSchema, which: 'all' | 'revoked', deed?: string): string {
  // As with a token without iat, a row without a time is as old as can be.
  const revoked = `AND (o.created_at IS NULL OR EXISTS (
           SELECT 1 FROM ${schema.own}.revoked_before r WHERE r.user_key = i.user_key AND ${startedAtSql('o')} < r.at))`;
  const columns = 'o.id, l.until AS expires_at, o.expires_at < l.until AS outlived';
  return `
    WITH live AS (${liveOfUser(schema, columns, which === 'all' ? '' : revoked)}
       ORDER BY o.id
       LIMIT $3
    ),
    won AS (
      INSERT INTO ${schema.blacklisted} (blacklisted_at, token_id)
      SELECT clock_timestamp(), id FROM live, ${LOUD} WHERE loud.quiet = 'off'
      ON CONFLICT (token_id) DO NOTHING
      RETURNING token_id
    )${keepSql(schema, 'live')}${deed === undefined ? '' : auditTokens(schema, deed, 'won')}
    SELECT (SELECT count(*) FROM live)::int AS live, (SELECT count(*) FROM won)::int AS won`;
}

/** $1 user key, $2 as above, $3 rows at most */
export function liveTokensSql(schema: TokenSchema): string {
  return `${liveOfUser(schema, 'o.jti', '')} LIMIT $3`;
}

/**
 * Whether an index leads to the rows of a user: without one their table would be read from end to end.
 *
 * @param table SQL of the table's qualified name, as text
 */
export const userIndexedSql = (table: string): string => `(SELECT EXISTS (
           SELECT FROM pg_catalog.pg_index x
             JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
            WHERE x.indrelid = ${table}::text::pg_catalog.regclass
              AND a.attname = 'user_id' AND x.indisvalid AND x.indpred IS NULL))`;

/** Rows that are read, each way, between two rests: less than a millisecond of a core. */
export const ROWS_A_REST = 512;

/**
 * $1 user key, $2 a token that must be among this user's, $3 rows at most, $4 open rows at most, $5 the table. One row at least: how many
 * rows there are and whether the token's is one; where that is well, also the id and the jti of one that is open.
 *
 * A row of a user costs 1.2 us here, 2.5 where the user's rows are scattered; found by its jti it costs 8.
 *
 * @param rests $6: how long it sleeps after each few rows (s). 40 ms of a core at once are felt by who refreshes meanwhile
 */
export function openRowsSql(schema: TokenSchema, rests: boolean): string {
  const rested = (rows: string): string => `
        SELECT r.* FROM (${rows}) r
         WHERE CASE WHEN $6::float8 > 0 AND r.nth % ${ROWS_A_REST} = 0 THEN pg_sleep($6) IS NOT NULL ELSE true END OFFSET 0`;
  const read = `
        SELECT o.id, o.jti${rests ? ', row_number() OVER () AS nth' : ''}
          FROM (SELECT $1::text AS user_key) i
          JOIN ${schema.outstanding} o ON o.user_id = ${userIdOf(schema, 'i')}
         WHERE ${userIndexedSql('$5')}
         LIMIT $3::bigint + 1`;
  return `
    WITH own AS MATERIALIZED (${rests ? rested(read) : read}
    ),
    told AS MATERIALIZED (
      SELECT count(*)::int AS rows, coalesce(bool_or(own.jti = $2), false) AS witnessed FROM own
    )
    SELECT t.rows, t.witnessed, open.id, open.jti
      FROM told t
      LEFT JOIN LATERAL (
        SELECT own.id, own.jti
          FROM ${rests ? `(${rested('SELECT * FROM own')}) own` : 'own'}
          LEFT JOIN LATERAL (
            SELECT b.token_id FROM ${schema.blacklisted} b WHERE b.token_id = own.id OFFSET 0
          ) b ON true
         WHERE t.witnessed AND t.rows <= $3 AND b.token_id IS NULL
         LIMIT $4
      ) open ON true`;
}

/** $1 user key, $2 as above: how many live rows `blacklistUserSql` would find. */
export function countUserSql(schema: TokenSchema): string {
  return `SELECT count(*)::int AS live FROM (${liveOfUser(schema, 'o.id', '')}) AS found`;
}

import type { Ask } from '../store/database.js';
import { userIndexedSql } from '../store/revocation-sql.js';
import type { TokenSchema } from '../store/schema.js';
import { mayLiveUntilSql } from '../store/stored-jwt-sql.js';
import { microsecondsSql } from '../store/time-sql.js';
import { userIdOf } from '../store/who-sql.js';

/** A row of a user's tokens. Times are microseconds since the epoch. */
export interface TokenRow {
  readonly id: string;
  /** Undefined: Django wrote none. */
  readonly createdUs: number | undefined;
  readonly expiresUs: number;
  /** When it was rotated, logged out or revoked; undefined: it is not spent. */
  readonly spentUs: number | undefined;
  /** Its token; undefined where it is spent, or has surely expired. */
  readonly open: OpenToken | undefined;
}

export interface OpenToken {
  readonly jti: string;
  /** Never to be printed or logged. */
  readonly token: string;
}

/** What a user's rows say at one moment. */
export interface UserRows {
  /** Newest first. */
  readonly rows: readonly TokenRow[];
  /** There are older ones, which were not looked at. */
  readonly cut: boolean;
  /** An index leads to them. False: the table was read from end to end. */
  readonly indexed: boolean;
  readonly nowUs: number;
}

/**
 * Rows that are looked at: of a session that is refreshed each quarter of an hour a thousand days. A hundred thousand cost
 * PostgreSQL 0.6 s of a processor (benchmarks/sessions.bench.ts), and are an answer of some megabytes.
 */
const MOST_ROWS = 100_000;

interface Row {
  readonly id: string;
  readonly created_us: string | null;
  readonly expires_us: string;
  readonly spent_us: string | null;
  readonly jti: string | null;
  readonly token: string | null;
}

/**
 * The newest rows of a user ($1 user key); $2 how much longer than their rows say tokens may live (s), $3 rows at most.
 *
 * idx_refresh_token_user_created, read backwards, has them in this order: a user of a million rows costs no more than $3
 * of them. With nothing but Django's index on user_id all of the user's rows are read and sorted.
 */
export function userRowsSql(schema: TokenSchema): string {
  const extra = `$2::bigint * interval '1 second'`;
  return `
    SELECT o.id::text AS id, ${microsecondsSql('o.created_at')} AS created_us, ${microsecondsSql('o.expires_at')} AS expires_us,
           ${microsecondsSql('b.at')} AS spent_us, open.jti, open.token
      FROM (
        SELECT o.id, o.jti, o.token, o.created_at, o.expires_at
          FROM (SELECT $1::text AS user_key) i
          JOIN ${schema.outstanding} o ON o.user_id = ${userIdOf(schema, 'i')}
         ORDER BY o.created_at DESC
         LIMIT $3::bigint
      ) o
      LEFT JOIN LATERAL (
        SELECT b.blacklisted_at AS at FROM ${schema.blacklisted} b WHERE b.token_id = o.id OFFSET 0
      ) b ON true
      LEFT JOIN LATERAL (
        SELECT o.jti, o.token
         WHERE b.at IS NULL AND ${mayLiveUntilSql('o', extra, schema.slidingEnd)} > now()
      ) open ON true
     ORDER BY o.created_at DESC`;
}

/**
 * Reads the newest rows of a user.
 *
 * @param ask statements of one transaction that sees one moment
 * @param userKey in canonical form
 * @param mayLiveSeconds how much longer than their rows say tokens may live
 */
export async function readUserRows(
  ask: Ask,
  schema: TokenSchema,
  userKey: string,
  mayLiveSeconds: number,
): Promise<UserRows> {
  const [about] = await ask<{ indexed: boolean; now_us: string }>(
    `SELECT ${userIndexedSql('$1')} AS indexed, ${microsecondsSql('clock_timestamp()')} AS now_us`,
    [schema.outstanding],
  );
  const found = await ask<Row>(userRowsSql(schema), [userKey, mayLiveSeconds, MOST_ROWS + 1]);
  return {
    rows: found.slice(0, MOST_ROWS).map(rowOf),
    cut: found.length > MOST_ROWS,
    indexed: about?.indexed ?? false,
    nowUs: Number(about?.now_us ?? 0),
  };
}

/** The tokens of rows by their ids. */
export async function readTokens(
  ask: Ask,
  { outstanding }: TokenSchema,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await ask<{ id: string; token: string }>(
    `SELECT id::text AS id, token FROM ${outstanding} WHERE id = ANY ($1::bigint[])`,
    [ids],
  );
  return new Map(rows.map(({ id, token }) => [id, token]));
}

/** The rows of tokens by their ids: when they were made, in microseconds; null where Django wrote no time. */
export async function readMade(
  ask: Ask,
  { outstanding }: TokenSchema,
  jtis: readonly string[],
): Promise<ReadonlyMap<string, number | undefined>> {
  const rows = await ask<{ jti: string; created_us: string | null }>(
    `SELECT jti, ${microsecondsSql('created_at')} AS created_us FROM ${outstanding} WHERE jti = ANY ($1::text[])`,
    [jtis],
  );
  return new Map(rows.map(({ jti, created_us }) => [jti, optional(created_us)]));
}

function rowOf({ id, created_us, expires_us, spent_us, jti, token }: Row): TokenRow {
  return {
    id,
    createdUs: optional(created_us),
    expiresUs: Number(expires_us),
    spentUs: optional(spent_us),
    open: jti === null || token === null ? undefined : { jti, token },
  };
}

function optional(us: string | null): number | undefined {
  return us === null ? undefined : Number(us);
}

import type { Database } from '../store/database.js';
import { microsecondsSql } from '../store/time-sql.js';

/** Names of simplejwt's tables as SQL wants them. `blacklisted` undefined: it may not be read, or isn't there. */
export interface SampledTables {
  readonly outstanding: string;
  readonly blacklisted: string | undefined;
}

export interface SampleSize {
  readonly newest: number;
  /** Of each place further back. */
  readonly further: number;
}

export interface SampleRow {
  readonly id: string;
  /** Never to be printed or logged. */
  readonly token: string;
  /** What the row says whose it is; null where its user is gone. */
  readonly user_id: string | null;
  /** Of the row; null where Django was told none. */
  readonly created_us: string | null;
  readonly expired: boolean;
  /** It has a blacklist row; null: that can't be read. */
  readonly spent: boolean | null;
  /** A rotation of ours made it: its time is a blacklist row's, to the microsecond. Known of recent rows only. */
  readonly ours: boolean;
}

/**
 * Of a table that two applications share, the newest rows may all be the busier one's. Some places are near, since most
 * tokens are young; some are parts of the whole, since how much of it is alive is not known.
 */
const FURTHER_BACK = [
  'newest - 100', 'newest - 10000', 'newest - 1000000',
  'newest - (newest - oldest) / 4', 'newest - (newest - oldest) / 2', 'oldest + (newest - oldest) / 4',
]; // prettier-ignore

/** Blacklist rows that are looked through for the times of our rotations. */
const RECENT = 1_000;

/**
 * Some rows of the table in one statement: the newest, and a few from each of several places further back. Look-ups in
 * the index of ids only, so that it costs the same on a large table.
 *
 * @throws what the database fails with
 */
export function readSampleRows(
  database: Database,
  { outstanding, blacklisted }: SampledTables,
  { newest, further }: SampleSize,
): Promise<SampleRow[]> {
  const places = [
    `(newest, ${newest})`,
    ...[...FURTHER_BACK, `oldest + ${further - 1}`].map((at) => `(${at}, ${further})`),
  ];
  const spent =
    blacklisted === undefined
      ? 'NULL::boolean'
      : `EXISTS (SELECT FROM ${blacklisted} b WHERE b.token_id = s.id)`;
  const times =
    blacklisted === undefined
      ? 'SELECT NULL::timestamptz AS blacklisted_at LIMIT 0'
      : `SELECT blacklisted_at FROM ${blacklisted} ORDER BY id DESC LIMIT ${RECENT}`;
  return database.query<SampleRow>('health', {
    text: `
      WITH ends AS (SELECT max(id) AS newest, min(id) AS oldest FROM ${outstanding}),
      times AS MATERIALIZED (${times}),
      sampled AS (
        SELECT DISTINCT ON (o.id) o.*
          FROM ends
         CROSS JOIN LATERAL (VALUES ${places.join(', ')}) AS places (at, rows)
         CROSS JOIN LATERAL (
           SELECT id, token, user_id, created_at, expires_at FROM ${outstanding}
            WHERE id <= places.at ORDER BY id DESC LIMIT places.rows) o
      )
      SELECT s.id::text AS id, s.token, s.user_id::text AS user_id, ${microsecondsSql('s.created_at')} AS created_us,
             s.expires_at <= clock_timestamp() AS expired, ${spent} AS spent,
             EXISTS (SELECT FROM times t WHERE t.blacklisted_at = s.created_at) AS ours
        FROM sampled s
       ORDER BY s.id DESC`,
  });
}

import { isOffSql, storedExpSql, storedIatSql } from './stored-jwt-sql.js';

/**
 * How the dates of a site's rows differ from what its tokens say; all zero on an ordinary one. Measured, since nothing
 * tells of it: neither Django's settings nor what a project does to a token after `for_user` are in the database.
 */
export interface RowDates {
  /**
   * By how much later than `exp` rows are to be dated that we write. Where Django has USE_TZ = False its
   * `flushexpiredtokens` compares with its local time: west of UTC a row that is dated rightly goes hours early.
   */
  readonly marginSeconds: number;
  /** By how much, at most, tokens outlive what their rows and the JWT in them say: they were lengthened afterwards. */
  readonly extraSeconds: number;
  /** By how much, at most, the JWT in a row outlives the row's own date: sliding tokens, zones east of UTC. */
  readonly lateSeconds: number;
  /** Rows are dated by another zone than UTC: by so much later than their tokens say (negative: earlier). */
  readonly zoneSeconds: number | undefined;
}

export const ORDINARY_DATES: RowDates = {
  marginSeconds: 0,
  extraSeconds: 0,
  lateSeconds: 0,
  zoneSeconds: undefined,
};

/** The newest tokens, and those that live longest: an index's worth of some milliseconds. */
const SAMPLE = 200;

/** The zone that is furthest west is 12 h off; an hour more for summer time, and two for whoever invents another. */
const MOST_MARGIN_SECONDS = 15 * 3_600;

/** Tokens of machines that live for years say nothing of people's, and would keep every row for years. */
const MOST_EXTRA_SECONDS = 90 * 86_400;

const MOST_LATE_SECONDS = 400 * 86_400;

type Query = <Row>(text: string, values?: readonly unknown[]) => Promise<Row[]>;

/**
 * Measures what the rows of a database show now.
 *
 * Margin and zone are read off rows that are not blacklisted: whatever is ended may have been lengthened here. Whoever
 * has summer time is an hour further off for half of the year, and a token lives across that night; our own rows carry
 * the margin already, so that it is known where all of the newest are ours. Undefined: there are no rows.
 */
export async function readRowDates(
  query: Query,
  {
    outstanding,
    blacklisted,
    slidingEnd,
  }: {
    readonly outstanding: string;
    readonly blacklisted: string;
    readonly slidingEnd?: string | undefined;
  },
): Promise<RowDates | undefined> {
  const [index] = await query<{ found: boolean }>(EXPIRY_INDEX_SQL, [outstanding]);
  // Without the index the farthest would be found by reading the whole table.
  const farthest = index?.found === true ? `ORDER BY expires_at DESC, id DESC` : 'ORDER BY id DESC';
  const [row] = await query<{
    margin: number;
    extra: number;
    late: number;
    zone: number | null;
    rows: number;
  }>(
    `WITH picked AS (
       (SELECT id, token, created_at, expires_at, true AS newest FROM ${outstanding} ORDER BY id DESC LIMIT ${SAMPLE})
       UNION ALL
       (SELECT id, token, created_at, expires_at, false FROM ${outstanding} ${farthest} LIMIT ${SAMPLE})
     ), stored AS (
       SELECT p.*, to_timestamp(${storedExpSql('p', slidingEnd)}) AS exp, to_timestamp(${storedIatSql('p')}) AS iat,
              EXISTS (SELECT FROM ${blacklisted} b WHERE b.token_id = p.id) AS ended
         FROM picked p
     ), judged AS (
       SELECT newest, ended, extract(epoch FROM expires_at - exp)::float8 AS later,
              coalesce(${isOffSql('created_at', 'iat')}, false) AS off
         FROM stored
        WHERE exp IS NOT NULL
     )
     SELECT coalesce(max(CASE WHEN off THEN ceil(later / 3600) * 3600 + 3600 ELSE later END)
                       FILTER (WHERE newest AND NOT ended AND later BETWEEN 1 AND ${MOST_MARGIN_SECONDS - 3_600}), 0) AS margin,
            greatest(coalesce(max(later), 0), 0) AS extra,
            greatest(coalesce(max(0 - later) FILTER (WHERE newest), 0), 0) AS late,
            count(*)::int AS rows,
            min(later) FILTER (WHERE newest AND off AND abs(later) > 600) AS zone
       FROM judged`,
  );
  if (row === undefined || row.rows === 0) return undefined;
  return {
    marginSeconds: Math.ceil(row.margin),
    extraSeconds: Math.min(MOST_EXTRA_SECONDS, Math.ceil(row.extra)),
    lateSeconds: Math.min(MOST_LATE_SECONDS, Math.ceil(row.late)),
    zoneSeconds: row.zone === null ? undefined : Math.round(row.zone),
  };
}

/**
 * `extraSeconds` as a scalar of SQL, for a function that measures it at each call; names are qualified or pg_catalog's.
 *
 * @param indexed an index leads to the rows that live longest
 */
export function extraSecondsSql(outstanding: string, indexed: boolean): string {
  const rows = (order: string): string =>
    `(SELECT id, token, expires_at FROM ${outstanding} ORDER BY ${order} LIMIT ${SAMPLE})`;
  const farthest = indexed ? ` UNION ALL ${rows('expires_at DESC, id DESC')}` : '';
  return `SELECT least(${MOST_EXTRA_SECONDS}, ceil(greatest(coalesce(max(
      extract(epoch FROM p.expires_at - to_timestamp(${storedExpSql('p')}))), 0), 0)))
    FROM (${rows('id DESC')}${farthest}) p`;
}

export const EXPIRY_INDEX_SQL = `
  SELECT EXISTS (SELECT FROM pg_index i
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                   JOIN pg_class c ON c.oid = i.indexrelid
                   JOIN pg_am m ON m.oid = c.relam
                  WHERE i.indrelid = $1::regclass AND i.indisvalid AND i.indpred IS NULL
                    AND a.attname = 'expires_at' AND m.amname = 'btree') AS found`;

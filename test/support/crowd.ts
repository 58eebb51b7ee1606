import { query } from './postgres.js';

/** Rows of many users as a site leaves them: `rows` in all, of `users` users, of whose families the last one is open. */
export interface Crowd {
  readonly rows: number;
  readonly users: number;
  /** A user with so many rows besides. */
  readonly busyUserId: number | string;
  readonly busyRows: number;
}

/** Generations of each session: of an hour, refreshed each minute. */
const GENERATIONS = 60;

/** Fills simplejwt's tables, in as many statements as tables. Users must exist, with ids from 1 on. */
export async function plantCrowd(url: string, { rows, users, busyUserId, busyRows }: Crowd): Promise<void> {
  await query(
    url,
    `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
     SELECT repeat('x', 240), at, at + interval '12 hours', 1 + n % $1::int, 'crowd ' || n
       FROM (SELECT n, now() - interval '10 hours' + n * interval '9 hours' / $2::int AS at
               FROM generate_series(1, $2::int) AS n) AS r`,
    [users, rows],
  );
  await query(
    url,
    `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
     SELECT repeat('x', 240), at, at + interval '12 hours', $1, 'busy ' || n
       FROM (SELECT n, now() - interval '10 hours' + n * interval '9 hours' / $2::int AS at
               FROM generate_series(1, $2::int) AS n) AS r`,
    [busyUserId, busyRows],
  );
  await query(
    url,
    `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
     SELECT next_at, id
       FROM (SELECT id, row_number() OVER w AS n, lead(created_at) OVER w AS next_at
               FROM token_blacklist_outstandingtoken WINDOW w AS (PARTITION BY user_id ORDER BY created_at, id)) AS o
      WHERE next_at IS NOT NULL AND n % ${GENERATIONS} <> 0
      ORDER BY id`,
  );
  await query(url, 'VACUUM ANALYZE');
}

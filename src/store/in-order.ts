import type { Database, Purpose, Statement } from './database.js';
import type { ObservedDatabaseClock } from './database-clock.js';

export interface InOrderOptions {
  readonly database: Database;
  readonly clock: ObservedDatabaseClock;
  readonly monotonicMs: () => number;
}

interface Numbered {
  /** From 1: which item of the statement it is of. */
  readonly n: number;
  /** At least one row of an answer tells it. */
  readonly now_us: string | null;
  readonly ahead?: boolean | null;
}

/** Rows come back in any order; each tells its number. Every answer is also a reading of the database's clock. */
export async function queryInOrder<Row extends Numbered>(
  { database, clock, monotonicMs }: InOrderOptions,
  purpose: Purpose,
  statement: Statement,
): Promise<Row[]> {
  const sentAtMs = monotonicMs();
  const rows = await database.query<Row>(purpose, statement);
  const ordered: Row[] = [];
  let latestUs = 0;
  let ahead = false;
  for (const row of rows) {
    ordered[row.n - 1] = row;
    if (row.now_us !== null) latestUs = Math.max(latestUs, Number(row.now_us));
    ahead ||= row.ahead === true;
  }
  // Where a claim was ahead what was thought of the clock is wrong, by less than the statement took: begin again.
  if (latestUs > 0) clock.observe(latestUs, ahead ? monotonicMs() : sentAtMs);
  return ordered;
}

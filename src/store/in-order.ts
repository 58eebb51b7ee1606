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
}

interface Timed extends Numbered {
  /** At least one row of an answer tells it. */
  readonly now_us: string | null;
  readonly ahead?: boolean | null;
}

/** The rows of a statement, which come back in any order, in the order of its items. */
export function inOrder<Row extends Numbered>(rows: readonly Row[]): Row[] {
  const ordered: Row[] = [];
  for (const row of rows) ordered[row.n - 1] = row;
  return ordered;
}

/** The same, and a reading of the database's clock by the way, in one pass: it is on the way of each refresh. */
export async function queryInOrder<Row extends Timed>(
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

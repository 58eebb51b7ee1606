import type pg from 'pg';

/**
 * The rows of all statements of a text. `pg` hands over a list of results where there were several, and most of those (SET,
 * COMMIT) have none.
 */
export function allRows<Row>(result: pg.QueryResult | readonly pg.QueryResult[]): Row[] {
  const rows: unknown[] =
    'rows' in result ? result.rows : result.flatMap(({ rows: some }) => some as unknown[]);
  return rows as Row[];
}

import type pg from 'pg';

/**
 * The rows of the last statement that answers with rows. `pg` hands over a list of results where a text had several
 * statements, and most of those (SET, COMMIT) have none.
 */
export function lastRows<Row>(result: pg.QueryResult | readonly pg.QueryResult[]): Row[] {
  const last = 'rows' in result ? result : result.findLast(({ fields }) => fields.length > 0);
  return (last?.rows ?? []) as Row[];
}

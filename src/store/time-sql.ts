/** A time in whole microseconds since the epoch: what PostgreSQL keeps, and what times are compared by here. */
export function microsecondsSql(expression: string): string {
  return `(extract(epoch FROM ${expression}) * 1000000)::bigint`;
}

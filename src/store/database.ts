/**
 * What a statement is for: the label of `carelink_db_statements_total`, and what KPI `db_queries` counts by.
 * `write_behind`: what a cache claimed. `lookup`: for a refresh. `verify`: for verify and sliding tokens. `audit`: for the KPIs themselves.
 */
export type Purpose =
  | 'claim'
  | 'lookup'
  | 'verify'
  | 'revoke'
  | 'connect'
  | 'health'
  | 'audit'
  | 'migrate'
  | 'cleanup'
  | 'write_behind';

export interface Statement {
  /** Named statements are prepared once a connection. */
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

/**
 * The seam under all SQL: one method. Embedded and real PostgreSQL are both reached through it with `pg`.
 *
 * A rejected promise carries the error of `pg` unchanged: whether it has a SQLSTATE tells "the server refused"
 * from "the connection was lost and the statement's fate is unknown".
 */
export interface Database {
  query<Row>(purpose: Purpose, statement: Statement): Promise<Row[]>;
}

/** Asks one statement: for what is read by servers and by commands alike, each over connections of its own kind. */
export type Ask = <Row>(text: string, values?: readonly unknown[]) => Promise<Row[]>;

/** Reads the catalog through a pool. */
export function askOf(database: Database): Ask {
  return (text, values) => database.query('health', { text, ...(values === undefined ? {} : { values }) });
}

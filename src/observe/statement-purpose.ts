/** The labels of `carelink_db_statements_total`, and what KPI `db_queries` counts by; the store's purposes are these. */
export type StatementPurpose =
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

import { PgDatabase, type PoolOptions } from '../../src/store/pool.js';

/** The product's own pool as tests want it; what one is about it says in `more`. */
export function testDatabase(
  connection: string,
  more: { readonly size: number } & Partial<PoolOptions>,
): PgDatabase {
  return new PgDatabase({
    connection,
    statementTimeoutMs: 5_000,
    connectTimeoutMs: 3_000,
    applicationName: 'carelink-tokens test',
    onStatement: () => undefined,
    onIdleError: () => undefined,
    ...more,
  });
}

/** Options of `readSchema` for a site with Django's own users. */
export const OWN_USERS = {
  userCheck: 'auto',
  userTable: undefined,
  userIdColumn: undefined,
  userActiveColumn: 'is_active',
} as const;

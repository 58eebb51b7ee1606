import { askOf, type Database } from './database.js';
import type { ObservedDatabaseClock } from './database-clock.js';
import { classify, isRowSecurity, lacks } from './errors.js';
import { missingRights, type Need } from './rights.js';
import type { TokenSchema } from './schema.js';

export type Health =
  | 'ok'
  | 'unreachable'
  | 'tables missing'
  | 'columns missing'
  | 'tables locked'
  | 'grants missing'
  | 'rows hidden'
  | 'read only';

/** Names all that a claim touches, the user table included, so that a dropped table or a missing grant is noticed by a probe and not by a nurse. */
function healthSql(schema: TokenSchema): string {
  const { users } = schema;
  const checked =
    users === undefined
      ? ''
      : `LEFT JOIN (SELECT ${users.keyColumn}, ${users.activeColumn} FROM ${users.name} LIMIT 0) u ON true`;
  return `
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us, pg_is_in_recovery() AS read_only
      FROM (SELECT) AS one
      LEFT JOIN (SELECT id, token, created_at, expires_at, user_id, jti FROM ${schema.outstanding} LIMIT 0) o ON true
      LEFT JOIN (SELECT id, blacklisted_at, token_id FROM ${schema.blacklisted} LIMIT 0) b ON true
      LEFT JOIN (SELECT user_key, at FROM carelink.revoked_before LIMIT 0) r ON true
      ${checked}`;
}

/** Asks the database whether it can do this program's work; the answer is a reading of its clock as well. */
export async function checkHealth(
  database: Database,
  schema: TokenSchema,
  clock: ObservedDatabaseClock,
  monotonicMs: () => number,
  needs: readonly Need[] = ['serve'],
): Promise<Health> {
  try {
    const text = healthSql(schema);
    const sentAtMs = monotonicMs();
    const [row] = await database.query<{ now_us: string; read_only: boolean }>('health', {
      name: 'health',
      text,
    });
    if (row === undefined) return 'tables missing';
    clock.observe(Number(row.now_us), sentAtMs);
    if (row.read_only) return 'read only';
    return (await missingRights(askOf(database), schema, needs)).length === 0 ? 'ok' : 'grants missing';
  } catch (error) {
    switch (lacks(error)) {
      case 'right':
        return isRowSecurity(error) ? 'rows hidden' : 'grants missing';
      case 'column':
        return 'columns missing';
      case 'table':
        return 'tables missing';
      case undefined:
        break;
    }
    switch (classify(error).kind) {
      case 'refused':
        return 'tables missing';
      case 'contended':
        return 'tables locked';
      default:
        return 'unreachable';
    }
  }
}

import type { Database } from './database.js';
import type { ObservedDatabaseClock } from './database-clock.js';
import { classify, isPrivilegeMissing } from './errors.js';
import type { TokenSchema } from './schema.js';

export type Health =
  'ok' | 'unreachable' | 'tables missing' | 'tables locked' | 'grants missing' | 'read only';

/** Names all that a claim touches, the user table included, so that a dropped table or a missing grant is noticed by a probe and not by a nurse. */
function healthSql(schema: TokenSchema): string {
  const { users } = schema;
  const checked =
    users === undefined
      ? ''
      : `LEFT JOIN (SELECT ${users.keyColumn}, ${users.activeColumn} FROM ${users.name} LIMIT 0) u ON true`;
  return `
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us, pg_is_in_recovery() AS read_only,
           (SELECT bool_and(has_table_privilege(t, p)
                            -- A sequence that is a default wants a grant of its own; that of an IDENTITY doesn't.
                            AND (a.atthasdef IS NOT TRUE OR has_sequence_privilege(pg_get_serial_sequence(t, 'id'), 'USAGE')))
              FROM (VALUES ($1, 'INSERT'), ($2, 'INSERT'),
                           ('carelink.revoked_before', 'INSERT'), ('carelink.revoked_before', 'UPDATE')) AS needed (t, p)
              LEFT JOIN pg_attribute a ON a.attrelid = t::regclass AND a.attname = 'id') AS may_write
      FROM (SELECT) AS one
      LEFT JOIN (SELECT id FROM ${schema.outstanding} LIMIT 0) o ON true
      LEFT JOIN (SELECT id FROM ${schema.blacklisted} LIMIT 0) b ON true
      LEFT JOIN (SELECT user_key FROM carelink.revoked_before LIMIT 0) r ON true
      ${checked}`;
}

/** Asks the database whether it can do this program's work; the answer is a reading of its clock as well. */
export async function checkHealth(
  database: Database,
  schema: TokenSchema,
  clock: ObservedDatabaseClock,
  monotonicMs: () => number,
): Promise<Health> {
  try {
    const text = healthSql(schema);
    const sentAtMs = monotonicMs();
    const [row] = await database.query<{ now_us: string; read_only: boolean; may_write: boolean }>('health', {
      name: 'health',
      text,
      values: [schema.outstanding, schema.blacklisted],
    });
    if (row === undefined) return 'tables missing';
    clock.observe(Number(row.now_us), sentAtMs);
    if (row.read_only) return 'read only';
    return row.may_write ? 'ok' : 'grants missing';
  } catch (error) {
    if (isPrivilegeMissing(error)) return 'grants missing';
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

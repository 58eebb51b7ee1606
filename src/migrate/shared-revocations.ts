import { DEFAULT_OWN } from '../store/own-schema.js';
import type { Migration } from './files.js';
import type { RunContext } from './run-context.js';

/** The migration that makes the table. */
const REVOKED_BEFORE = 'carelink_schema';

/**
 * A release that didn't write down whose `carelink` is let several Djangos use it. What was revoked there may be of the
 * one that has a schema of its own now: it is taken over, or it would live again. It may be of another one's user with the
 * same id: then tokens of that time are refused here, as they were before.
 *
 * What was revoked by the time that this was written down is in `shared_revocations`; until then nobody knows, and all of
 * it is taken over. To be called under the lock of all runners, after each step.
 */
export async function takeOverRevocations(
  { session, emit }: Pick<RunContext, 'session' | 'emit'>,
  { name }: Migration,
): Promise<void> {
  if (name !== REVOKED_BEFORE || session.own === DEFAULT_OWN) return;
  const [source] = await session.query<{ table: string; readable: boolean }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS table,
            has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname IN ('shared_revocations', 'revoked_before')
      ORDER BY c.relname DESC
      LIMIT 1`,
    [DEFAULT_OWN],
  );
  if (source === undefined) return;
  if (!source.readable) {
    emit({
      event: 'finding',
      finding: {
        severity: 'warn',
        code: 'revocations_unread',
        message:
          `This role may not read ${source.table}. If servers of this site ever worked with the schema ${DEFAULT_OWN}, as older ` +
          `releases did, what they revoked is there: let the role read it, and run this again before they start.`,
      },
    });
    return;
  }
  await session.query(
    `INSERT INTO ${session.own}.revoked_before AS r (user_key, at)
     SELECT user_key, at FROM ${source.table}
     ON CONFLICT (user_key) DO UPDATE SET at = excluded.at WHERE r.at < excluded.at`,
  );
}

import { DEFAULT_OWN } from '../store/own-schema.js';
import { readTokenTablePlaces } from '../store/token-tables.js';
import { MigrateError } from './errors.js';
import type { Migration } from './files.js';
import { HOME, recordHome } from './home.js';
import type { RunContext } from './run-context.js';
import { askSession } from './session.js';

/** The migration that makes the table. */
const REVOKED_BEFORE = 'carelink_schema';

/** To be called under the lock of all runners, after each step. */
export async function settleAfter(
  { session, emit }: Pick<RunContext, 'session' | 'emit'>,
  { name }: Migration,
): Promise<void> {
  if (name === REVOKED_BEFORE) await takeOverRevocations({ session, emit });
  if (name !== HOME) return;
  const places = await readTokenTablePlaces(askSession(session));
  // Building indexes may have taken hours, and until this is written servers of before work with what was shared.
  await session.transaction(async () => {
    await takeOverRevocations({ session, emit });
    await recordHome(session, places);
  });
}

/**
 * A release that didn't write down whose `carelink` is let several Djangos use it. What was revoked there may be of the
 * one that has a schema of its own now: it is taken over, or it would live again. It may be of another one's user with the
 * same id: then tokens of that time are refused here, as they were before.
 *
 * Until it is written down that this site has a schema of its own, its servers may work with `carelink`, whoever that was
 * given to: all of it is taken over. Afterwards only what was there when `carelink` was given to one site, which may have
 * been later: `shared_revocations`.
 *
 * @throws MigrateError UNSAFE where it may not be read
 */
async function takeOverRevocations({ session, emit }: Pick<RunContext, 'session' | 'emit'>): Promise<void> {
  if (session.own === DEFAULT_OWN) return;
  const isFirst = !(await isHomeWritten(session));
  // Read are plain tables with plain columns: whoever made them has no function of his run by that.
  const sources = await session.query<{ name: string; readable: boolean }>(
    `SELECT c.relname::text AS name,
            has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
              AND NOT row_security_active(c.oid) AS readable
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = ANY ($2) AND c.relkind = 'r'
        AND (SELECT count(*) FROM pg_attribute a
              WHERE a.attrelid = c.oid AND NOT a.attisdropped
                AND (a.attname, a.atttypid) IN (('user_key', 'text'::regtype), ('at', 'timestamptz'::regtype))) = 2
      ORDER BY 1`,
    [DEFAULT_OWN, isFirst ? ['revoked_before', 'shared_revocations'] : ['shared_revocations']],
  );
  const unread = sources.filter(({ readable }) => !readable).map(({ name }) => `${DEFAULT_OWN}.${name}`);
  if (unread.length > 0) {
    const [{ role } = { role: '' }] = await session.query<{ role: string }>(
      'SELECT quote_ident(current_user) AS role',
    );
    const message =
      `This role may not read ${unread.join(' and ')}. If servers of this site ever worked with the schema ${DEFAULT_OWN}, as older ` +
      `releases did, what they revoked is there. As its owner, run \`GRANT USAGE ON SCHEMA ${DEFAULT_OWN} TO ${role}; ` +
      `GRANT SELECT ON ${unread.join(', ')} TO ${role}\`, and run this again.`;
    if (isFirst) throw new MigrateError('UNSAFE', message);
    emit({ event: 'finding', finding: { severity: 'warn', code: 'revocations_unread', message } });
    return;
  }
  if (sources.length === 0) return;
  const all = sources.map(({ name }) => `SELECT user_key, at FROM ONLY ${DEFAULT_OWN}.${name}`);
  await session.query(
    `INSERT INTO ${session.own}.revoked_before AS r (user_key, at)
     SELECT user_key, max(at) FROM (${all.join(' UNION ALL ')}) shared GROUP BY user_key
     ON CONFLICT (user_key) DO UPDATE SET at = excluded.at WHERE r.at < excluded.at`,
  );
}

async function isHomeWritten(session: RunContext['session']): Promise<boolean> {
  const [table] = await session.query<{ there: boolean }>(
    `SELECT to_regclass('${session.own}.${HOME}') IS NOT NULL AS there`,
  );
  if (table?.there !== true) return false;
  const [row] = await session.query<{ written: boolean }>(
    `SELECT EXISTS (SELECT FROM ${session.own}.${HOME}) AS written`,
  );
  return row?.written === true;
}

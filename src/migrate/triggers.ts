import { triggerName } from '../store/own-schema.js';
import type { UserNames } from '../store/user-source.js';
import { changedTriggerSql } from './changed-trigger.js';
import type { Migration } from './files.js';
import type { Finding } from './preflight.js';
import { askSession, type Session } from './session.js';
import { usersToTellOf } from './user-triggers.js';

/** A trigger of this tool's. */
export interface TriggerFacts {
  /** `name on schema.table`, as the ledger keeps it. */
  readonly place: string;
  readonly enabled: boolean;
  /** Of the one on users that are changed: which user, and whether active, as its function has it, without quotes. */
  readonly compares: string | null;
}

export async function readTriggers(session: Session): Promise<TriggerFacts[]> {
  return session.query<TriggerFacts & object>(
    // Arguments are a version, and what it compares: another version is another trigger.
    `SELECT format('%s on %I.%I', t.tgname, n.nspname, c.relname)
              || CASE WHEN t.tgnargs > 0
                      THEN ' v' || translate(encode(t.tgargs, 'escape'), '\\,', '/;') ELSE '' END AS place,
            t.tgenabled IN ('O', 'A') AS enabled,
            replace(substring(p.prosrc FROM 'FROM \\(SELECT (.+?) AS active'), '"', '') AS compares
       FROM pg_trigger t
       -- The names of the site \`tell\` begin with those of carelink.
       JOIN pg_proc p ON p.oid = t.tgfoid AND p.pronamespace = to_regnamespace('${session.own}')
       JOIN pg_class c ON c.oid = t.tgrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE starts_with(t.tgname, $1) AND NOT t.tgisinternal
      ORDER BY 1`,
    [triggerName(session.own, '')],
  );
}

/** No column has this name: the migration then puts no trigger on any user table. */
const NO_COLUMN = '-';

/** Every table has it. The migration looks whether there is such a column, and what it makes of it is replaced. */
const ANY_COLUMN = 'tableoid';

/**
 * Makes them, in the transaction that this is called in, and tells what came of it for the ledger. Where no trigger can
 * tell of users, those of the blacklist are made all the same.
 *
 * @param warn is told what can't be
 * @throws MigrateError UNSAFE where a user table was named that can't be used
 */
export async function installTriggers(
  session: Session,
  { name, sql }: Pick<Migration, 'name' | 'sql'>,
  { users: names, blacklisted }: { readonly users: UserNames; readonly blacklisted: string | undefined },
  warn: (finding: Finding) => void,
): Promise<string> {
  const first = name === 'notify_changes';
  const users = await usersToTellOf(askSession(session), names, first ? warn : () => undefined);
  const told = users?.kind === 'table' ? users : undefined;
  const set = (name: string, value: string): Promise<unknown> =>
    session.query('SELECT set_config($1, $2, true)', [name, value]);
  await set('carelink.user_table', told?.name ?? '');
  await set('carelink.user_id_column', told?.columns.key ?? NO_COLUMN);
  // The first version needs the name of a column that is there, and what it makes of that is replaced; the second one needs none.
  const active = told?.columns.active ?? (first && told !== undefined ? ANY_COLUMN : NO_COLUMN);
  await set('carelink.user_active_column', active);
  await set('carelink.user_password_column', names.passwordColumn ?? 'password');
  await session.query(sql);
  if (first && told !== undefined && (told.activeColumn === undefined || told.activeType === 'number'))
    await session.query(changedTriggerSql(told, session.own));
  if (told !== undefined) await dropElsewhere(session, 'users_', told.name);
  if (first && blacklisted !== undefined) await dropElsewhere(session, 'blacklisted', blacklisted);
  return (await readTriggers(session)).map(({ place }) => place).join(', ');
}

/** Their functions are made for the new table: at another one they could only say that anything may have changed. */
async function dropElsewhere(
  session: Session,
  tells: 'users_' | 'blacklisted',
  table: string,
): Promise<void> {
  const drops = await session.query<{ sql: string }>(
    `SELECT format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname) AS sql
       FROM pg_trigger t
       JOIN pg_proc p ON p.oid = t.tgfoid AND p.pronamespace = '${session.own}'::regnamespace
       JOIN pg_class c ON c.oid = t.tgrelid AND pg_has_role(c.relowner, 'USAGE')
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE starts_with(t.tgname, $2) AND NOT t.tgisinternal AND c.oid <> to_regclass($1)`,
    [table, triggerName(session.own, tells)],
  );
  for (const { sql } of drops) await session.query(sql);
}

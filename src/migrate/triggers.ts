import { quoteQualified } from '../store/quote.js';
import type { Migration } from './files.js';
import type { Picture } from './picture.js';
import type { Standing } from './plan.js';
import type { Session } from './session.js';

/** A trigger of this tool's. */
export interface TriggerFacts {
  /** `name on schema.table`, as the ledger keeps it. */
  readonly place: string;
  readonly enabled: boolean;
}

/** Which table holds the users, where the triggers can't find it by themselves; as `serve` is told it. */
export interface UserTableNames {
  readonly userTable: string | undefined;
  readonly userIdColumn: string;
  readonly userActiveColumn: string;
}

export async function readTriggers(session: Session): Promise<TriggerFacts[]> {
  return session.query<TriggerFacts & object>(
    `SELECT format('%s on %I.%I', t.tgname, n.nspname, c.relname) AS place, t.tgenabled IN ('O', 'A') AS enabled
       FROM pg_trigger t
       JOIN pg_class c ON c.oid = t.tgrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE t.tgname LIKE 'carelink\\_tell\\_%' AND NOT t.tgisinternal
      ORDER BY 1`,
  );
}

/** Its SQL replaces what is there: so it is run again where one is missing, was switched off, or is another release's. */
export function judgeTriggers(migration: Migration, { ledger, triggers }: Picture): Standing {
  const entry = ledger.get(migration.name);
  const pending = (detail?: string): Standing => ({
    migration,
    state: 'pending',
    action: 'run',
    ...(detail === undefined ? {} : { detail }),
  });
  if (entry === undefined) return pending();
  if (entry.checksum !== migration.checksum) return pending('another release of the tool made them');
  const missing = (entry.definition ?? '')
    .split(', ')
    .filter((place) => !triggers.some((one) => one.place === place && one.enabled));
  return missing.length === 0
    ? { migration, state: 'applied', action: 'nothing' }
    : pending(`missing or switched off: ${missing.join(', ')}`);
}

/** Makes them, in the transaction that this is called in, and tells what came of it for the ledger. */
export async function installTriggers(
  session: Session,
  sql: string,
  { userTable, userIdColumn, userActiveColumn }: UserTableNames,
): Promise<string> {
  await session.query(
    `SELECT set_config('carelink.user_table', $1, true), set_config('carelink.user_id_column', $2, true),
            set_config('carelink.user_active_column', $3, true)`,
    [userTable === undefined ? '' : quoteQualified(userTable), userIdColumn, userActiveColumn],
  );
  await session.query(sql);
  return (await readTriggers(session)).map(({ place }) => place).join(', ');
}

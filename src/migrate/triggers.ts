import { quoteQualified } from '../store/quote.js';
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

import type { Ask } from '../store/database.js';
import { SchemaError } from '../store/errors.js';
import { readTokenTablePlaces, type Relation } from '../store/token-tables.js';
import { findUsers, type UserNames, type UserSource } from '../store/user-source.js';
import { MigrateError } from './errors.js';
import type { Migration } from './files.js';
import type { Finding } from './preflight.js';
import { askSession, type Session } from './session.js';
import { changedTriggerSql } from './changed-trigger.js';

/** A trigger of this tool's. */
export interface TriggerFacts {
  /** `name on schema.table`, as the ledger keeps it. */
  readonly place: string;
  readonly enabled: boolean;
}

export async function readTriggers(session: Session): Promise<TriggerFacts[]> {
  return session.query<TriggerFacts & object>(
    // Arguments are a version, and what it compares: another version is another trigger.
    `SELECT format('%s on %I.%I', t.tgname, n.nspname, c.relname)
              || CASE WHEN t.tgnargs > 0
                      THEN ' v' || translate(encode(t.tgargs, 'escape'), '\\,', '/;') ELSE '' END AS place,
            t.tgenabled IN ('O', 'A') AS enabled
       FROM pg_trigger t
       JOIN pg_class c ON c.oid = t.tgrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE t.tgname LIKE 'carelink\\_tell\\_%' AND NOT t.tgisinternal
      ORDER BY 1`,
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
  names: UserNames,
  warn: (finding: Finding) => void,
): Promise<string> {
  const first = name === 'notify_changes';
  // Whether a password can be compared is for the server to say: here it is told of where there is one.
  const bare = { ...names, passwordHash: undefined };
  const users = await usersToTellOf(askSession(session), bare, first ? warn : () => undefined);
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
    await session.query(changedTriggerSql(told));
  return (await readTriggers(session)).map(({ place }) => place).join(', ');
}

async function usersToTellOf(
  ask: Ask,
  names: UserNames,
  warn: (finding: Finding) => void,
): Promise<UserSource | undefined> {
  const { found } = await readTokenTablePlaces(ask);
  if (found?.outstanding === undefined || names.userCheck === 'off') return undefined;
  const untold = (why: string): void =>
    warn({
      severity: 'warn',
      code: 'users_untold',
      message:
        `${why} So no trigger tells of users who are deactivated or deleted; log-outs are told. ` +
        'A server looks at the user in every claim all the same, and blacklists synchronously.',
    });
  const users = await readUsers(ask, found.outstanding, names, untold);
  if (users?.kind === 'view')
    untold(`The user table ${users.name} is a view, which can have no such trigger.`);
  return users;
}

async function readUsers(
  ask: Ask,
  outstanding: Relation,
  names: UserNames,
  untold: (why: string) => void,
): Promise<UserSource | undefined> {
  try {
    return await findUsers(ask, outstanding, names);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    if (names.userTable !== undefined) throw new MigrateError('UNSAFE', error.message, { cause: error });
    untold(error.message);
    return undefined;
  }
}

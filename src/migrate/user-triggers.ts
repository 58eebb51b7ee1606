import type { Ask } from '../store/database.js';
import { SchemaError } from '../store/errors.js';
import { triggerName } from '../store/own-schema.js';
import { readTokenTablePlaces, type Relation } from '../store/token-tables.js';
import { activeSql, findUsers, type UserNames, type UserSource } from '../store/user-source.js';
import { MigrateError } from './errors.js';
import type { Finding } from './preflight.js';

/** What the options of this run want the triggers on users to be. */
export interface WantedUserTriggers {
  /** As the ledger keeps it, without a version. */
  readonly place: string;
  /** As `compares` of TriggerFacts. */
  readonly compares: string;
  /** What the second version has behind its place; undefined: the table has no such column, and the first one stays. */
  readonly version: string | undefined;
  /** An option names the users: what is there must be so. Otherwise it is enough that there is any. */
  readonly said: boolean;
}

export const DJANGO_USERS: UserNames = {
  userTable: undefined,
  userIdColumn: undefined,
  userActiveColumn: 'is_active',
};

const DJANGO_PASSWORD = 'password';

/** Whether a password can be compared is for the server to say: triggers tell of it where there is one. */
const bare = (names: UserNames): UserNames => ({ ...names, passwordHash: undefined });

/** `unusable`: the table that an option names, and why. Undefined: no trigger is wanted on any. */
export async function wantedUserTriggers(
  ask: Ask,
  own: string,
  names: UserNames,
): Promise<WantedUserTriggers | { readonly unusable: string } | undefined> {
  try {
    const users = await usersToTellOf(ask, names, () => undefined);
    if (users?.kind !== 'table') return undefined;
    const { passwordColumn = DJANGO_PASSWORD } = names;
    const place = `${triggerName(own, 'users_changed')} on ${users.name}`;
    return {
      place,
      compares: `${users.keyColumn} AS key, ${activeSql(users)}`.replaceAll('"', ''),
      version: (await hasColumn(ask, users, passwordColumn))
        ? `${place} v2/000${passwordColumn}/000`
        : undefined,
      said: said(names),
    };
  } catch (error) {
    if (error instanceof MigrateError) return { unusable: error.message };
    throw error;
  }
}

function said(names: UserNames): boolean {
  const { userTable, userIdColumn, userActiveColumn, userCheck = 'auto', passwordColumn } = names;
  return (
    userTable !== undefined ||
    userIdColumn !== undefined ||
    userActiveColumn !== DJANGO_USERS.userActiveColumn ||
    userCheck === 'exists' ||
    (passwordColumn ?? DJANGO_PASSWORD) !== DJANGO_PASSWORD
  );
}

async function hasColumn(ask: Ask, { name }: UserSource, column: string): Promise<boolean> {
  const rows = await ask(
    'SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND NOT attisdropped',
    [name, column],
  );
  return rows.length > 0;
}

/**
 * The users that triggers can tell of; undefined: of none.
 *
 * @param warn is told why not
 * @throws MigrateError UNSAFE where a user table was named that can't be used
 */
export async function usersToTellOf(
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
    return await findUsers(ask, outstanding, bare(names));
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    if (names.userTable !== undefined) throw new MigrateError('UNSAFE', error.message, { cause: error });
    untold(error.message);
    return undefined;
  }
}

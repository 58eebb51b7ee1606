import type { Ask } from './database.js';
import { isPrivilegeMissing, isRowSecurity, SchemaError, sqlStateOf } from './errors.js';
import { hiddenInWords } from './rights.js';
import type { SiteSchema, TokenSchema } from './schema.js';
import { userKeyTypeOf } from './user-key.js';
import { passwordHashInput, userIdOf, whoColumns, whoJoin } from './who-sql.js';

/** Errors of a statement's text, not of its rows: types that don't fit, an operator that isn't there. */
const OF_THE_TEXT = '42';

/**
 * Asks a view what a claim asks it, for no user. A table is known by its catalog; a view may read what this role may not,
 * and its columns may be of types that can't be compared with the token tables'.
 *
 * @throws SchemaError ROWS_HIDDEN | USER_TABLE_MISSING
 */
export async function probeUserView(ask: Ask, schema: TokenSchema | SiteSchema): Promise<void> {
  const { users } = schema;
  const tables = 'outstanding' in schema ? schema : undefined;
  if (users?.kind !== 'view') return;
  if (
    tables !== undefined &&
    users.keyColumn === users.primaryColumn &&
    !fits(users.keyType, tables.userIdType)
  ) {
    throw unasked(users.name, `its column ${users.keyColumn} is of the type ${users.keyType}`, tables);
  }
  const hash = passwordHashInput(schema, `'{}'`);
  try {
    await ask(
      `SELECT ${whoColumns(schema, 'i')}${tables === undefined ? '' : `, coalesce(o.user_id, ${userIdOf(tables, 'i')}) AS user_id`}
         FROM unnest('{}'::text[], '{}'::bigint[]${hash.array}) AS i (user_key, iat${hash.column})${whoJoin(schema, 'i')}
         ${tables === undefined ? '' : `LEFT JOIN ${tables.outstanding} o ON false`}`,
    );
  } catch (error) {
    if (isRowSecurity(error)) {
      const [row] = await ask<{ role: string }>('SELECT current_user::text AS role');
      throw new SchemaError('ROWS_HIDDEN', hiddenInWords([`what ${users.name} reads`], row?.role ?? ''));
    }
    if (isPrivilegeMissing(error)) throw error;
    if (sqlStateOf(error)?.startsWith(OF_THE_TEXT) !== true) throw error;
    throw unasked(users.name, error instanceof Error ? error.message : '', tables);
  }
}

const NUMBERS = ['smallint', 'integer', 'bigint', 'numeric'];

/** Whether every key of the one type is a value of the other. Else one token could fail the statement of all. */
function fits(key: string, userId: string): boolean {
  const [from, to] = [userKeyTypeOf(key), userKeyTypeOf(userId)];
  if (from === to || to === 'text') return true;
  return NUMBERS.includes(from) && NUMBERS.indexOf(from) < NUMBERS.indexOf(to);
}

function unasked(view: string, why: string, tables: TokenSchema | undefined): SchemaError {
  const wanted =
    tables === undefined
      ? ''
      : ` Its key must be what user_id of ${tables.outstanding} holds, which is of the type ${tables.userIdType}. Where ` +
        'tokens hold another field, give the view both: the key as id, and that field, named with --user-id-column.';
  return new SchemaError(
    'USER_TABLE_MISSING',
    `The view ${view} can't be asked who may refresh: ${why}.${wanted}`,
  );
}

/**
 * Whether the view has two rows of one key. It is asked of all of the view, so not by a server.
 *
 * @throws what the database fails with
 */
export async function hasDoubledKeys(ask: Ask, { users }: Pick<TokenSchema, 'users'>): Promise<boolean> {
  if (users?.kind !== 'view') return false;
  const [row] = await ask<{ found: boolean }>(
    `SELECT EXISTS (SELECT FROM ${users.name} u GROUP BY u.${users.keyColumn} HAVING count(*) > 1) AS found`,
  );
  return row?.found ?? false;
}

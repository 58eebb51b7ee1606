import type { ReferenceGone } from './group-recovery.js';
import type { TokenSchema } from './schema.js';

/**
 * Whether a statement failed because the user of this item is gone. The error names the value of `user_id` that it didn't
 * find; that is what tokens name only where they name the primary key. Else it is known by being alone.
 */
export function isUserGone(
  { users }: Pick<TokenSchema, 'users'>,
  { column, value }: ReferenceGone,
  userKey: string | undefined,
  alone: boolean,
): boolean {
  if (column !== 'user_id' || userKey === undefined) return false;
  const named = users === undefined || users.keyColumn === users.primaryColumn;
  return alone || (named && userKey === value);
}

import type { Ask } from './database.js';
import type { TokenSchema } from './schema.js';

/** As migrations/0038_revoke_user.sql writes it: the column that it marks, and the one that it finds the user by. */
const KEY = String.raw`SELECT u\.("(?:[^"]|"")+"|\w+)::text INTO key FROM .* u WHERE u\.("(?:[^"]|"")+"|\w+) = `;

/**
 * Whether `revoke_user` marks another key than tokens name their users by, in a sentence that says what to do: such a call
 * changes nothing for any server of ours. Undefined: it marks the right one, or there is none.
 *
 * Read from the function, which every role may: the ledger isn't for a server.
 */
export async function otherUserKey(
  ask: Ask,
  { own, users }: Pick<TokenSchema, 'own' | 'users'>,
): Promise<string | undefined> {
  if (users === undefined) return undefined;
  const [made] = await ask<{ key: string | null; primary: string | null }>(
    `SELECT m.part[1] AS key, m.part[2] AS primary
       FROM pg_proc p
       JOIN pg_namespace n ON n.oid = p.pronamespace
       LEFT JOIN LATERAL regexp_match(p.prosrc, $2) AS m (part) ON true
      WHERE n.nspname = $1 AND p.proname = 'revoke_user' AND oidvectortypes(p.proargtypes) = 'text, text'`,
    [own, KEY],
  );
  if (made === undefined) return undefined;
  const { key, primary } = users.columns;
  const bare = (name: string): string => name.replace(/^"|"$/g, '').replaceAll('""', '"');
  const marks = made.key === null || made.key === made.primary ? undefined : bare(made.key);
  // A view's users are found by the primary key of the table behind it, whatever that is called.
  if (marks === (key === primary ? undefined : key)) return undefined;
  return (
    `${own}.revoke_user() marks users by ${marks ?? 'their primary key'}, and tokens here name them by ${key}: sessions that Django ends ` +
    `with it go on here. Run carelink-tokens migrate --user-id-column ${key}, with the --user-table of this server`
  );
}

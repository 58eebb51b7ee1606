import type { Database } from './database.js';
import { arrayLiteral } from './quote.js';
import type { TokenSchema } from './schema.js';

/**
 * How many of these tokens have a blacklist row that is committed: what was answered, held against what is written.
 * Rejects with `pg`'s error.
 */
export async function countBlacklisted(
  database: Database,
  schema: TokenSchema,
  jtis: readonly string[],
): Promise<number> {
  const text = `
    SELECT count(*)::int AS count
      FROM unnest($1::text[]) AS i (jti)
      JOIN ${schema.outstanding} o ON o.jti = i.jti
     WHERE EXISTS (SELECT 1 FROM ${schema.blacklisted} b WHERE b.token_id = o.id)`;
  const statement = { name: 'count_blacklisted', text, values: [arrayLiteral(jtis)] };
  const [row] = await database.query<{ count: number }>('audit', statement);
  return row?.count ?? 0;
}

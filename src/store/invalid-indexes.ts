import type { Database } from './database.js';
import type { TokenSchema } from './schema.js';

/** How many indexes of the token tables are invalid, though nobody is building them. */
export async function countInvalidIndexes(database: Database, schema: TokenSchema): Promise<number> {
  const [row] = await database.query<{ count: number }>('health', {
    name: 'invalid_indexes',
    text: `
      SELECT count(*)::int AS count
        FROM pg_index i
       WHERE i.indrelid IN ($1::regclass, $2::regclass) AND NOT i.indisvalid
         AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)`,
    values: [schema.outstanding, schema.blacklisted],
  });
  return row?.count ?? 0;
}

import type { Database } from './database.js';
import { isPrivilegeMissing } from './errors.js';
import type { Owned } from './own-schema.js';

export type Identity =
  | { readonly kind: 'known'; readonly id: string }
  /** The migration `identity` was not run here, or its row is gone. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'grant_missing' };

/** The random id of this site, made by the migration `identity`. Rejects with `pg`'s error. */
export async function readIdentity(database: Database, { own }: Owned): Promise<Identity> {
  try {
    const [table] = await database.query<{ there: boolean }>('health', {
      text: `SELECT to_regclass('${own}.identity') IS NOT NULL AS there`,
    });
    if (table?.there !== true) return { kind: 'missing' };
    const [row] = await database.query<{ id: string }>('health', {
      text: `SELECT id FROM ${own}.identity`,
    });
    return row === undefined ? { kind: 'missing' } : { kind: 'known', id: row.id };
  } catch (error) {
    if (isPrivilegeMissing(error)) return { kind: 'grant_missing' };
    throw error;
  }
}

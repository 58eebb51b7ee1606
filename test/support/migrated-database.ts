import { applyMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, freshDatabase, type FreshDatabase } from './postgres.js';

/** An empty database with simplejwt's tables, and migrated. */
export async function migratedDatabase(): Promise<FreshDatabase> {
  const database = await freshDatabase();
  await createSimplejwtTables(database.url);
  await applyMigrations(database.url, { createTables: false, notify: false });
  return database;
}

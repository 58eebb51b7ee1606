import pg from 'pg';
import { afterEach, beforeEach } from 'vitest';
import { createSimplejwtTables, type FreshDatabase, freshDatabase } from '../../support/postgres.js';

export interface MigrateWorld {
  url(): string;
  /** A session of somebody else's, by that name, that has run the statements. */
  open(applicationName: string, ...statements: string[]): Promise<pg.Client>;
  /** Ends them all, as the end of the test does. */
  letGo(): Promise<void>;
}

/** For each test a database with simplejwt's tables as Django makes them, and the sessions of others on it. */
export function migrateWorld(): MigrateWorld {
  let database: FreshDatabase;
  const clients: pg.Client[] = [];
  const letGo = async () => {
    // Some of them were terminated on purpose.
    for (const client of clients.splice(0)) await client.end().catch(() => undefined);
  };
  beforeEach(async () => {
    database = await freshDatabase();
    await createSimplejwtTables(database.url);
  });
  afterEach(async () => {
    await letGo();
    await database.drop();
  });
  return {
    url: () => database.url,
    async open(applicationName, ...statements) {
      const client = new pg.Client({ connectionString: database.url, application_name: applicationName });
      client.on('error', () => undefined);
      clients.push(client);
      await client.connect();
      for (const statement of statements) await client.query(statement);
      return client;
    },
    letGo,
  };
}

import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach } from 'vitest';
import { applyMigrations, type ApplyOptions, type MigrateEvent } from '../../../src/migrate/index.js';
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

export interface WatchedRun {
  readonly done: ReturnType<typeof applyMigrations>;
  readonly events: readonly MigrateEvent[];
  /** The first event of a kind, once it has come; throws what the run fails with before. */
  readonly seen: <Kind extends MigrateEvent['event']>(
    kind: Kind,
  ) => Promise<Extract<MigrateEvent, { event: Kind }>>;
}

/** `migrate up`, under way. */
export function watchedRun(url: string, options: Partial<ApplyOptions>): WatchedRun {
  const events: MigrateEvent[] = [];
  const onEvent = (event: MigrateEvent) => void events.push(event);
  let ended = false;
  const done = applyMigrations(url, { createTables: false, onEvent, ...options });
  done.then(
    () => (ended = true),
    () => (ended = true),
  );
  const seen = async <Kind extends MigrateEvent['event']>(kind: Kind) => {
    for (;;) {
      const event = events.find((one) => one.event === kind);
      if (event !== undefined) return event as Extract<MigrateEvent, { event: Kind }>;
      if (ended) {
        await done;
        throw new Error(`The run has ended without "${kind}".`);
      }
      await sleep(20);
    }
  };
  return { done, events, seen };
}

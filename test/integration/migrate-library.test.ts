import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CommandError, ConfigError, migrate, surveyMigrations, type MigrateEvent } from '../../src/index.js';
import { createSimplejwtTables, freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('migrate in a program of one’s own', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    await createSimplejwtTables(database.url);
  });
  afterAll(() => database.drop());
  const options = () => ({ 'database-url': database.url });
  const indexes = () =>
    query(database.url, "SELECT 1 FROM pg_indexes WHERE indexname = 'idx_outstanding_token_expires'");

  it('tells what is pending, applies it, and undoes what is named', async () => {
    const before = await surveyMigrations(options());
    expect(before.migrations.map(({ state }) => state)).toContain('pending');
    expect(await indexes()).toHaveLength(0);

    const events: MigrateEvent[] = [];
    const { steps } = await migrate(options(), [], { onEvent: (event) => events.push(event) });
    expect(steps).toContainEqual(
      expect.objectContaining({ name: 'idx_outstanding_token_expires', outcome: 'applied' }),
    );
    expect(events.length).toBeGreaterThan(steps.length);
    expect(await indexes()).toHaveLength(1);
    const after = await surveyMigrations(options());
    expect(after.migrations.every(({ state }) => state === 'applied' || state === 'covered')).toBe(true);

    await migrate(options(), ['down', 'idx_outstanding_token_expires']);
    expect(await indexes()).toHaveLength(0);
  });

  it('throws what the command would say, with its exit code', async () => {
    await expect(migrate(options(), ['sideways'])).rejects.toBeInstanceOf(ConfigError);
    await expect(migrate(options(), ['plan'])).rejects.toThrow('surveyMigrations()');
    const stopped: unknown = await migrate(options(), [], { signal: AbortSignal.abort() }).catch(
      (error: unknown) => error,
    );
    expect(stopped).toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
    const failed: unknown = await migrate({ 'database-url': 'postgres://u@127.0.0.1:1/d' }).catch(
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(CommandError);
    expect(failed).toMatchObject({ exitCode: 4 });
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations, MigrateError } from '../../src/migrate/index.js';
import { createSimplejwtTables, type FreshDatabase, freshDatabase, query } from '../support/postgres.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('migrate on PostgreSQL', () => {
  let database: FreshDatabase;
  beforeEach(async () => {
    database = await freshDatabase();
  });
  afterEach(() => database.drop());

  const outcomes = async (createTables: boolean) =>
    (await applyMigrations(database.url, { createTables })).steps.map(({ name, outcome }) => [name, outcome]);

  it('makes the tables where it is asked to, and finds all present the second time', async () => {
    expect((await outcomes(true)).slice(0, 2)).toEqual([
      ['carelink_schema', 'applied'],
      ['token_tables', 'applied'],
    ]);
    expect((await outcomes(true)).map(([, outcome]) => outcome)).not.toContain('applied');
  });

  it("records Django's tables as covering its own", async () => {
    await createSimplejwtTables(database.url);
    expect(await outcomes(false)).toContainEqual(['token_tables', 'covered']);
    const [row] = await query(database.url, "SELECT * FROM carelink.migrations WHERE name = 'token_tables'");
    expect(row).toMatchObject({
      state: 'covered',
      covered_by: 'token_blacklist_outstandingtoken, token_blacklist_blacklistedtoken',
    });
  });

  it('does not make the tables unasked', async () => {
    const failed = await outcomes(false).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(MigrateError);
    expect(failed).toMatchObject({ code: 'TABLES_MISSING' });
  });
});

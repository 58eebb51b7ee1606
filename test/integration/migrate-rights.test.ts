import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations, readMigrationOverview, removeMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, type FreshDatabase, freshDatabase, query } from '../support/postgres.js';
import { services } from '../support/services.js';

const TABLES = 'token_blacklist_outstandingtoken, token_blacklist_blacklistedtoken';

describe.skipIf(services().postgres === undefined)('migrate, as a role that may not do all of it', () => {
  const role = `carelink_${Math.random().toString(36).slice(2)}`;
  let database: FreshDatabase;
  let url: string;
  let name: string;
  let theirs: string;
  beforeEach(async () => {
    database = await freshDatabase();
    ({ url } = database);
    await createSimplejwtTables(url);
    await query(url, `CREATE ROLE ${role} LOGIN`);
    const theirUrl = new URL(url);
    theirUrl.username = role;
    theirs = theirUrl.href;
    name = theirUrl.pathname.slice(1);
  });
  afterEach(async () => {
    await query(url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await database.drop();
  });

  it('plans where it may make no temporary tables, and says what it lacks where it would need one', async () => {
    await query(
      url,
      `REVOKE TEMPORARY ON DATABASE ${name} FROM PUBLIC; GRANT SELECT ON ${TABLES} TO ${role}`,
    );
    const { migrations } = await readMigrationOverview(theirs);
    expect(migrations.find(({ name: one }) => one === 'idx_outstanding_token_expires')).toMatchObject({
      action: 'build',
    });
    // A type of the site's own: what an index on it would be only PostgreSQL can tell.
    await query(
      url,
      `CREATE DOMAIN moment AS timestamptz;
       ALTER TABLE token_blacklist_outstandingtoken ALTER COLUMN expires_at TYPE moment`,
    );
    await expect(readMigrationOverview(theirs)).rejects.toMatchObject({
      code: 'UNSAFE',
      message: expect.stringMatching(/GRANT TEMPORARY/) as string,
    });
  });

  it('says what it lacks where it may read the tables and not the ledger', async () => {
    await applyMigrations(url, { createTables: false });
    await query(url, `GRANT SELECT ON ${TABLES} TO ${role}`);
    await expect(readMigrationOverview(theirs)).rejects.toMatchObject({
      code: 'UNSAFE',
      message: expect.stringMatching(
        /permission denied for schema carelink.*Connect as.*GRANT USAGE ON SCHEMA carelink TO carelink_/,
      ) as string,
    });
    await expect(applyMigrations(theirs, { createTables: false })).rejects.toMatchObject({ code: 'UNSAFE' });
    await query(
      url,
      `GRANT USAGE ON SCHEMA carelink TO ${role}; GRANT SELECT ON carelink.migrations TO ${role}`,
    );
    const { migrations } = await readMigrationOverview(theirs);
    expect(new Set(migrations.map(({ state }) => state))).toEqual(new Set(['applied', 'covered']));
  });

  it('is sent to the owner of an index that it would remove', async () => {
    await applyMigrations(url, { createTables: false });
    await query(
      url,
      `GRANT SELECT ON ${TABLES} TO ${role};
       GRANT USAGE ON SCHEMA carelink TO ${role}; GRANT ALL ON carelink.migrations TO ${role}`,
    );
    const names = ['idx_outstanding_token_expires'];
    await expect(removeMigrations(theirs, { names })).rejects.toMatchObject({
      code: 'UNSAFE',
      message: expect.stringMatching(/must be owner of index .* Connect as the owner/) as string,
    });
    const { migrations } = await readMigrationOverview(url);
    expect(migrations.find(({ name: one }) => one === names[0])).toMatchObject({ state: 'applied' });
  });

  it('is sent to the owner of the ledger where it owns the tables and may not write that', async () => {
    await applyMigrations(url, { createTables: false });
    await query(
      url,
      `ALTER TABLE token_blacklist_outstandingtoken OWNER TO ${role};
       ALTER TABLE token_blacklist_blacklistedtoken OWNER TO ${role};
       DROP INDEX idx_outstanding_token_expires;
       GRANT CREATE ON SCHEMA public TO ${role}; GRANT USAGE, CREATE ON SCHEMA carelink TO ${role};
       GRANT SELECT ON carelink.migrations TO ${role}`,
    );
    await expect(applyMigrations(theirs, { createTables: false })).rejects.toMatchObject({
      code: 'UNSAFE',
      message: expect.stringMatching(/may not write to the schema carelink.*belongs to postgres/) as string,
    });
  });

  it('names the schema that the tables are in, where its search path has another one', async () => {
    await query(
      url,
      `CREATE SCHEMA app; ALTER TABLE token_blacklist_outstandingtoken SET SCHEMA app;
       ALTER TABLE token_blacklist_blacklistedtoken SET SCHEMA app`,
    );
    await expect(applyMigrations(url, { createTables: false })).rejects.toMatchObject({
      code: 'TABLES_MISSING',
      message: expect.stringMatching(/app\.token_blacklist_outstandingtoken.*search_path%3Dapp/) as string,
    });
    // As it advises.
    const { steps } = await applyMigrations(`${url}?options=-c%20search_path%3Dapp`, { createTables: false });
    expect(steps.map(({ outcome }) => outcome)).toContain('applied');
    expect(await query(url, "SELECT to_regclass('app.idx_outstanding_token_expires') AS index")).toEqual([
      { index: 'app.idx_outstanding_token_expires' },
    ]);
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  applyMigrations,
  MigrateError,
  readMigrationOverview,
  removeMigrations,
} from '../../src/migrate/index.js';
import { createSimplejwtTables, type FreshDatabase, freshDatabase, query } from '../support/postgres.js';
import { services } from '../support/services.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const EXPIRES = 'idx_outstanding_token_expires';
const WITHOUT_TABLES = { createTables: false };

describe.skipIf(services().postgres === undefined)('migrate on PostgreSQL', () => {
  let database: FreshDatabase;
  let url: string;
  beforeEach(async () => {
    database = await freshDatabase();
    ({ url } = database);
  });
  afterEach(() => database.drop());

  const outcomes = async (options = WITHOUT_TABLES) =>
    (await applyMigrations(url, options)).steps.map(({ name, outcome }) => [name, outcome]);
  const states = async () => {
    const { migrations } = await readMigrationOverview(url);
    return Object.fromEntries(migrations.map(({ name, state }) => [name, state]));
  };
  const indexes = async () =>
    (
      await query<{ name: string }>(
        url,
        `SELECT indexrelid::regclass::text AS name FROM pg_index
          WHERE indisvalid AND indrelid = ANY ('{token_blacklist_outstandingtoken,token_blacklist_blacklistedtoken}'::regclass[])
          ORDER BY 1`,
      )
    ).map(({ name }) => name);

  it("builds beside Django's tables what they lack, and finds all present the second time", async () => {
    await createSimplejwtTables(url);
    const before = await indexes();
    expect(await outcomes()).toEqual([
      ['carelink_schema', 'applied'],
      ['token_tables', 'covered'],
      ['idx_outstanding_token_jti', 'covered'],
      ['idx_refresh_token_user_created', 'applied'],
      ['idx_outstanding_token_user', 'covered'],
      ['idx_blacklisted_token_created', 'applied'],
      [EXPIRES, 'applied'],
      ['autovacuum_outstanding', 'applied'],
      ['autovacuum_blacklisted', 'applied'],
      ['cleanup_lease', 'applied'],
      ['dead_letters', 'applied'],
      ['identity', 'applied'],
      ['home', 'applied'],
      ['shared_revocations', 'applied'],
      ['audit', 'applied'],
      ['revoke_user', 'applied'],
    ]);
    expect((await indexes()).filter((name) => !before.includes(name))).toEqual([
      'idx_blacklisted_token_created',
      EXPIRES,
      'idx_refresh_token_user_created',
    ]);
    expect((await outcomes()).map(([, outcome]) => outcome)).not.toContain('applied');
    expect(new Set(Object.values(await states()))).toEqual(new Set(['applied', 'covered']));
  });

  it('makes the tables where it is asked to, and all else on them', async () => {
    expect(await outcomes({ createTables: true })).toContainEqual(['token_tables', 'applied']);
    expect(await indexes()).toContain(EXPIRES);
    expect(new Set(Object.values(await states()))).toEqual(new Set(['applied', 'covered']));
  });

  it('changes nothing where the tables are missing and it was not asked to make them', async () => {
    const failed = await outcomes().catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(MigrateError);
    expect(failed).toMatchObject({ code: 'TABLES_MISSING' });
    expect(await query(url, "SELECT to_regnamespace('carelink') AS schema")).toEqual([{ schema: null }]);
  });

  it('plans without changing anything, and up does what the plan said', async () => {
    await createSimplejwtTables(url);
    const catalog = `SELECT (SELECT count(*) FROM pg_class) AS classes, (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_') AS schemas`;
    const before = await query(url, catalog);
    const { migrations, redundant } = await readMigrationOverview(url);
    expect(await query(url, catalog)).toEqual(before);
    const planned = migrations.map(({ name, action }) => [name, action === 'cover' ? 'covered' : 'applied']);
    expect(await outcomes()).toEqual(planned);
    expect(redundant).toMatchObject([
      {
        name: `${OUTSTANDING}_user_id_83bc629a`,
        by: 'idx_refresh_token_user_created',
        entryBytes: 20,
        later: true,
      },
    ]);
  });

  it('says pending when what covered an index is gone, and builds it then', async () => {
    await createSimplejwtTables(url);
    await outcomes();
    await query(url, `ALTER TABLE ${OUTSTANDING} DROP CONSTRAINT ${OUTSTANDING}_jti_hex_d9bdf6f7_uniq`);
    expect(await states()).toMatchObject({ idx_outstanding_token_jti: 'pending' });
    expect(await outcomes()).toContainEqual(['idx_outstanding_token_jti', 'applied']);
    expect(await states()).toMatchObject({ idx_outstanding_token_jti: 'applied' });
  });

  it('is covered by the next one where what covered it is gone', async () => {
    await createSimplejwtTables(url);
    await outcomes();
    await query(url, `DROP INDEX ${OUTSTANDING}_user_id_83bc629a`);
    expect(await states()).toMatchObject({ idx_outstanding_token_user: 'covered' });
    await outcomes();
    const { migrations } = await readMigrationOverview(url);
    expect(migrations.find(({ name }) => name === 'idx_outstanding_token_user')).toMatchObject({
      action: 'nothing',
      coveredBy: 'idx_refresh_token_user_created',
    });
  });

  it('builds a covered index where that is asked for', async () => {
    await createSimplejwtTables(url);
    await outcomes();
    await applyMigrations(url, { createTables: false, buildCovered: true });
    expect(await indexes()).toEqual(
      expect.arrayContaining(['idx_outstanding_token_jti', 'idx_outstanding_token_user']),
    );
    expect(await states()).toMatchObject({ idx_outstanding_token_jti: 'applied' });
  });

  it('tells drift: another index under the name, and a file that changed', async () => {
    await createSimplejwtTables(url);
    await outcomes();
    await query(url, `DROP INDEX ${EXPIRES}; CREATE INDEX ${EXPIRES} ON ${OUTSTANDING} (expires_at)`);
    await query(
      url,
      "UPDATE carelink.migrations SET checksum = 'other' WHERE name = 'idx_blacklisted_token_created'",
    );
    expect(await states()).toMatchObject({ [EXPIRES]: 'drifted', idx_blacklisted_token_created: 'drifted' });
    expect(await outcomes()).toContainEqual([EXPIRES, 'drifted']);
  });

  it('rebuilds an invalid index that was left behind, whoever left it', async () => {
    await createSimplejwtTables(url);
    await query(
      url,
      `CREATE INDEX ${EXPIRES} ON ${OUTSTANDING} (expires_at, id);
       UPDATE pg_index SET indisvalid = false WHERE indexrelid = '${EXPIRES}'::regclass`,
    );
    expect(await states()).toMatchObject({ [EXPIRES]: 'invalid' });
    expect(await outcomes()).toContainEqual([EXPIRES, 'applied']);
    expect(await indexes()).toContain(EXPIRES);
  });

  it('finds an index that an operator made by hand after the original note, and never removes it', async () => {
    await createSimplejwtTables(url);
    await query(url, `CREATE INDEX ${EXPIRES} ON ${OUTSTANDING} (expires_at, id)`);
    expect(await outcomes()).toContainEqual([EXPIRES, 'covered']);
    await removeMigrations(url, {});
    expect(await indexes()).toContain(EXPIRES);
  });

  it('undoes what it did and nothing else', async () => {
    await createSimplejwtTables(url);
    const described = async () =>
      query(
        url,
        `SELECT relname, reloptions FROM pg_class WHERE relname LIKE 'token_blacklist%' OR relname LIKE 'idx%' ORDER BY 1`,
      );
    await query(
      url,
      `ALTER TABLE ${OUTSTANDING} SET (autovacuum_vacuum_scale_factor = 0.5, fillfactor = 90)`,
    );
    const before = await described();
    await outcomes();
    const [settings] = await query<{ reloptions: string[] }>(
      url,
      `SELECT reloptions FROM pg_class WHERE relname = '${OUTSTANDING}'`,
    );
    // What the operator has set stays as he has set it.
    expect(settings?.reloptions).toEqual(
      expect.arrayContaining(['autovacuum_vacuum_scale_factor=0.5', 'autovacuum_analyze_scale_factor=0.02']),
    );
    const { steps } = await removeMigrations(url, {});
    expect(steps.map(({ name, outcome }) => [name, outcome])).toContainEqual(['carelink_schema', 'kept']);
    expect(await described()).toEqual(before);
    expect(await outcomes()).toContainEqual([EXPIRES, 'applied']);
  });

  it('drops tables only where that is said', async () => {
    await outcomes({ createTables: true });
    await removeMigrations(url, {});
    expect(await indexes()).not.toEqual([]);
    await removeMigrations(url, { dropTables: true });
    expect(
      await query(
        url,
        `SELECT to_regclass('${OUTSTANDING}') AS t, to_regclass('carelink.revoked_before') AS r`,
      ),
    ).toEqual([{ t: null, r: null }]);
  });

  it('builds one index alone, and knows no other name', async () => {
    await createSimplejwtTables(url);
    const { steps } = await applyMigrations(url, { createTables: false, names: [EXPIRES] });
    expect(steps.map(({ name, outcome }) => [name, outcome])).toEqual([[EXPIRES, 'applied']]);
    await expect(removeMigrations(url, { names: ['idx_nonsense'] })).rejects.toMatchObject({
      code: 'UNKNOWN_MIGRATION',
    });
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import {
  applyMigrations,
  type MigrateEvent,
  readMigrationOverview,
  removeMigrations,
} from '../../src/migrate/index.js';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { migrateWorld } from './migrate-support/world.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const USER_ID = `${OUTSTANDING}_user_id_83bc629a`;
const EXPIRES = 'idx_outstanding_token_expires';
const invalidate = (name: string) =>
  `UPDATE pg_index SET indisvalid = false WHERE indexrelid = '${name}'::regclass`;

describe.skipIf(services().postgres === undefined)('migrate, after others have been at it', () => {
  const world = migrateWorld();
  let url: string;
  beforeEach(() => {
    url = world.url();
  });

  const up = async () => {
    const events: MigrateEvent[] = [];
    const onEvent = (event: MigrateEvent) => void events.push(event);
    const { steps } = await applyMigrations(url, { createTables: false, onEvent });
    return { events, steps: Object.fromEntries(steps.map(({ name, outcome }) => [name, outcome])) };
  };
  const standing = async (name: string) =>
    (await readMigrationOverview(url)).migrations.find((migration) => migration.name === name);
  const exists = async (name: string) =>
    (await query<{ there: boolean }>(url, 'SELECT to_regclass($1) IS NOT NULL AS there', [name]))[0]!.there;

  it("names what a REINDEX CONCURRENTLY of Django's index left behind, and leaves it to the operator", async () => {
    const leftover = `${USER_ID}_ccnew`;
    await query(url, `CREATE INDEX ${leftover} ON ${OUTSTANDING} (user_id)`);
    await query(url, invalidate(leftover));
    const told = {
      severity: 'warn',
      code: 'invalid_index',
      message: expect.stringMatching(`DROP INDEX CONCURRENTLY public.${leftover};$`) as string,
    };
    expect((await readMigrationOverview(url)).findings).toEqual([told]);
    const { events } = await up();
    expect(events).toContainEqual({ event: 'finding', finding: told });
    expect(await exists(leftover)).toBe(true);
  });

  it('does not take for its own what somebody built where a run of its was broken off', async () => {
    await up();
    await query(
      url,
      `UPDATE carelink.migrations SET state = 'building', definition = NULL WHERE name = '${EXPIRES}'`,
    );
    await query(
      url,
      `DROP INDEX ${EXPIRES}; CREATE INDEX ${EXPIRES} ON ${OUTSTANDING} (expires_at, id, user_id)`,
    );
    const { steps } = await removeMigrations(url, { names: [EXPIRES] });
    expect(steps).toMatchObject([{ name: EXPIRES, outcome: 'drifted' }]);
    expect(await exists(EXPIRES)).toBe(true);
    // It does what was wanted, so it is used.
    expect((await up()).steps).toMatchObject({ [EXPIRES]: 'covered' });
    await removeMigrations(url, {});
    expect(await exists(EXPIRES)).toBe(true);
  });

  it('makes a table of its own again that somebody dropped', async () => {
    await up();
    await query(url, 'DROP TABLE carelink.cleanup_lease');
    expect(await standing('cleanup_lease')).toMatchObject({ state: 'pending', action: 'run' });
    expect((await up()).steps).toMatchObject({ cleanup_lease: 'applied', carelink_schema: 'present' });
    expect(await exists('carelink.cleanup_lease')).toBe(true);
  });

  it('says that its name is taken by an index of another table, and leaves that one alone', async () => {
    await query(url, `CREATE INDEX ${EXPIRES} ON auth_user (id)`);
    await expect(up()).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringMatching(
        new RegExp(`^${EXPIRES}: something else .* Rename or drop it`),
      ) as string,
    });
    await removeMigrations(url, {});
    expect(await exists(EXPIRES)).toBe(true);
  });

  it('says of an index that it built anew that it is there, not how it stood before', async () => {
    await query(url, `CREATE INDEX ${EXPIRES} ON ${OUTSTANDING} (expires_at, id)`);
    await query(url, invalidate(EXPIRES));
    const { steps } = await applyMigrations(url, { createTables: false });
    const step = steps.find(({ name }) => name === EXPIRES);
    expect(step).toEqual({ name: EXPIRES, outcome: 'applied', durationMs: step?.durationMs });
  });

  it('says of an index that was renamed what became of it', async () => {
    await up();
    await query(url, `ALTER INDEX ${EXPIRES} RENAME TO tidy`);
    expect(await standing(EXPIRES)).toMatchObject({
      state: 'pending',
      action: 'cover',
      coveredBy: 'tidy',
      detail: expect.stringMatching(/dropped or renamed/) as string,
    });
  });

  it('keeps a changed setting after the way that it tells', async () => {
    await up();
    await query(url, `ALTER TABLE ${OUTSTANDING} SET (autovacuum_vacuum_threshold = 7)`);
    expect(await standing('autovacuum_outstanding')).toMatchObject({
      state: 'drifted',
      detail: expect.stringMatching(/migrate down autovacuum_outstanding/) as string,
    });
    await removeMigrations(url, { names: ['autovacuum_outstanding'] });
    await up();
    expect(await standing('autovacuum_outstanding')).toMatchObject({ state: 'applied' });
    const [row] = await query<{ reloptions: string[] }>(
      url,
      'SELECT reloptions FROM pg_class WHERE oid = $1::regclass',
      [OUTSTANDING],
    );
    expect(row!.reloptions).toContain('autovacuum_vacuum_threshold=7');
  });
});

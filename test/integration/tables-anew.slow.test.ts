import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations, readMigrationOverview, type MigrateEvent } from '../../src/migrate/index.js';
import { createSimplejwtTables, freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { startInstance } from '../support/rotation.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh } from '../support/tokens.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

describe.skipIf(services().postgres === undefined)('tables', () => {
  let database: FreshDatabase;
  let url: string;
  beforeEach(async () => {
    database = await freshDatabase();
    ({ url } = database);
    await createSimplejwtTables(url);
  });
  afterEach(() => database.drop());

  it('that are dropped and made anew under a server: 503 meanwhile, and it goes on without a restart', async () => {
    await applyMigrations(url, { createTables: false });
    const instance = await startInstance(url, { requestTimeoutMs: 1_000 });
    const { service } = instance;
    try {
      const login = async () => {
        const [token] = [mintRefresh({ userId: 1 })];
        await query(url, 'INSERT INTO auth_user (id, is_active) VALUES (1, true) ON CONFLICT DO NOTHING');
        await insertOutstanding(url, [token]);
        return token.token;
      };
      const before = await login();
      const first = await service.refresh(await login());
      expect(first.kind).toBe('rotated');
      await query(url, `DROP TABLE ${BLACKLISTED}, ${OUTSTANDING}, auth_user`);
      expect((await service.refresh(before)).kind).toBe('unavailable');
      expect((await service.verify(before)).kind).toBe('unavailable');
      expect((await service.logout(before)).kind).toBe('unavailable');
      await createSimplejwtTables(url);
      await query(url, 'INSERT INTO auth_user (id, is_active) VALUES (1, true)');
      // Its row is gone, as of any token that simplejwt 5.2 didn't record.
      expect((await service.refresh(before)).kind).toBe('rotated');
      const after = await login();
      expect((await service.refresh(after)).kind).toBe('rotated');
      expect((await service.refresh(after)).kind).toBe('blacklisted');
    } finally {
      await instance.close();
    }
  });

  it('that are made anew get all again by the next migrate, and nothing is called drifted', async () => {
    await applyMigrations(url, { createTables: false, notify: true });
    await query(url, `DROP TABLE ${BLACKLISTED}, ${OUTSTANDING}, auth_user`);
    await createSimplejwtTables(url);
    const { migrations } = await readMigrationOverview(url);
    expect(migrations.filter(({ state }) => state === 'drifted')).toEqual([]);
    const { steps } = await applyMigrations(url, { createTables: false });
    const outcomes = new Map(steps.map(({ name, outcome }) => [name, outcome]));
    expect(outcomes.get('autovacuum_outstanding')).toBe('applied');
    expect(outcomes.get('autovacuum_blacklisted')).toBe('applied');
    expect(outcomes.get('idx_outstanding_token_expires')).toBe('applied');
    expect(outcomes.get('notify_changes')).toBe('applied');
    const again = await readMigrationOverview(url);
    expect(new Set(again.migrations.map(({ state }) => state))).toEqual(new Set(['applied', 'covered']));
    // What the operator takes back is his all the same.
    await query(url, `ALTER TABLE ${OUTSTANDING} RESET (autovacuum_vacuum_scale_factor)`);
    const kept = await readMigrationOverview(url);
    expect(kept.migrations.find(({ name }) => name === 'autovacuum_outstanding')).toMatchObject({
      state: 'drifted',
    });
  });

  it.each([
    [
      'a view',
      { userTable: 'staff', userIdColumn: undefined, userActiveColumn: 'is_active' },
      /staff is a view/,
    ],
    [
      'a table without an active column',
      { userTable: undefined, userIdColumn: undefined, userActiveColumn: 'here' },
      /no column here/,
    ],
  ])(
    'of users that can have no trigger, %s: those of the blacklist are made, and it is said',
    async (_what, users, words) => {
      await query(url, 'CREATE VIEW staff AS SELECT id, is_active FROM auth_user');
      const events: MigrateEvent[] = [];
      await applyMigrations(url, {
        createTables: false,
        notify: true,
        users,
        onEvent: (event) => events.push(event),
      });
      expect(events).toContainEqual({
        event: 'finding',
        finding: { severity: 'warn', code: 'users_untold', message: expect.stringMatching(words) as string },
      });
      const triggers = await query<{ name: string }>(
        url,
        `SELECT tgname::text AS name FROM pg_trigger WHERE tgname LIKE 'carelink_tell%' ORDER BY 1`,
      );
      expect(triggers.map(({ name }) => name)).toEqual([
        'carelink_tell_blacklisted',
        'carelink_tell_revoked',
        'carelink_tell_revoked_again',
      ]);
    },
  );
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { createUsers, query, type FreshDatabase } from '../support/postgres.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';

describe.skipIf(services().postgres === undefined)('rows that the database refuses', () => {
  let database: FreshDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await migratedDatabase();
    server = await startServer({ databaseUrl: database.url });
  });
  afterAll(async () => {
    await server.stop();
    await database.drop();
  });

  it('are told at once, though the database is well, and nothing is spent', async () => {
    const [user] = await createUsers(database.url, 1);
    const [token] = await issueTokens(database.url, [user!]);
    const refresh = () =>
      fetch(`${server.url}/account/token/refresh/`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ refresh: token!.token }),
      });
    await query(
      database.url,
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
       CREATE TRIGGER audit AFTER INSERT ON token_blacklist_blacklistedtoken
         FOR EACH ROW EXECUTE FUNCTION refuse()`,
    );
    expect((await refresh()).status).toBe(503);
    expect(server.output()).toMatch(/"error_code":"P0001".*"event":"write_refused"/);
    const readiness = await fetch(`${server.adminUrl}/readyz`);
    expect(await readiness.json()).toMatchObject({ checks: { database: 'ok' } });
    await expect
      .poll(async () => (await fetch(`${server.adminUrl}/metrics`)).text(), { timeout: 30_000 })
      .toMatch(/^carelink_alert_active\{code="WRITES_REFUSED"[^}]*\} 1$/m);
    await query(database.url, 'DROP FUNCTION refuse() CASCADE');
    expect((await refresh()).status).toBe(200);
  });
});

import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import {
  createSimplejwtTables,
  freshDatabase,
  query,
  type FreshDatabase,
  type TableOptions,
} from '../support/postgres.js';
import { startServer, type ServerOptions } from '../support/server.js';
import { services } from '../support/services.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';
import { run } from './run.js';

describe.skipIf(services().postgres === undefined)('serve, started on a real database', () => {
  const databases: FreshDatabase[] = [];
  const empty = async (): Promise<string> => {
    const database = await freshDatabase();
    databases.push(database);
    return database.url;
  };
  const withTables = async (options?: TableOptions): Promise<string> => {
    const url = await empty();
    await createSimplejwtTables(url, options);
    return url;
  };
  const migrated = async (options?: TableOptions): Promise<string> => {
    const url = await withTables(options);
    await applyMigrations(url, { createTables: false });
    return url;
  };
  afterAll(() => Promise.all(databases.map((database) => database.drop())));

  const KEY = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };
  const refused = (url: string, ...args: string[]) =>
    run(['serve', '--port', '0', '--admin-port', '0', '--database-url', url, ...args], KEY);

  it.each<[string, () => Promise<string>, string[], string]>([
    ['without the tables', empty, [], 'manage.py migrate token_blacklist'],
    ['without our schema', () => withTables(), [], 'Run `carelink-tokens migrate`'],
    ['without the user table that was named', () => migrated(), ['--user-table', 'nobody'], '--user-table'],
    ['with no user table and no word on it', () => migrated({ users: false }), [], '--user-check off'],
    ['with no user table but a check', () => migrated({ users: false }), ['--user-check', 'on'], 'auth_user'],
    [
      'that is not there',
      () => Promise.resolve('postgres://postgres@127.0.0.1:1/x'),
      ['--database-wait', '0s'],
      '--database-url',
    ],
  ])('%s ends with 4 and says what to do', async (_what, database, args, advice) => {
    const { code, stdout, stderr } = await refused(await database(), ...args);
    expect([code, stdout]).toEqual([4, '']);
    expect(stderr).toContain(advice);
    expect(stderr).not.toContain('nobody foresaw');
  });

  it('without the tables, names the app that makes them, for serve and migrate', async () => {
    const url = await empty();
    const app = "INSTALLED_APPS has 'rest_framework_simplejwt.token_blacklist'";
    expect((await refused(url)).stderr).toContain(app);
    expect((await run(['migrate', '--database-url', url])).stderr).toContain(app);
  });

  it.each(['1', '2'])(
    'with %s workers, says once which port is taken, and by what option',
    async (workers) => {
      const url = await migrated();
      const taken = createServer();
      await once(taken.listen(0, '127.0.0.1'), 'listening');
      const port = String((taken.address() as AddressInfo).port);
      try {
        for (const option of ['--port', '--admin-port']) {
          const { code, stderr } = await refused(url, '--workers', workers, option, port);
          expect(code).toBe(1);
          expect(stderr.match(/Another process has it/g)).toHaveLength(1);
          expect(stderr).toContain(`choose another port with ${option}.`);
          expect(stderr.match(/start_failed/g)).toHaveLength(1);
        }
      } finally {
        taken.close();
      }
    },
  );

  it("says which option names an address that isn't this machine's", async () => {
    const url = await migrated();
    const away = await refused(url, '--host', '192.0.2.1');
    expect(away.stderr).toMatch(/192\.0\.2\.1 is no address of this machine.*Correct --host/);
    const unknown = await refused(url, '--admin-host', 'nosuch.invalid');
    expect(unknown.stderr).toMatch(/doesn't know the host name nosuch\.invalid\. Correct --admin-host/);
  });

  it('as a role that may not look into our schema, ends with 4 and says what to grant', async () => {
    const url = await migrated();
    const role = `stranger_${process.pid}`;
    await query(url, `CREATE ROLE ${role} LOGIN`);
    try {
      const { code, stderr } = await refused(`${url}?options=-c%20role%3D${role}`);
      expect(code).toBe(4);
      expect(stderr).toContain('GRANT USAGE ON SCHEMA carelink');
    } finally {
      await query(url, `DROP ROLE ${role}`);
    }
  });

  /** What it says in its log until it listens. */
  const saidAtStart = async (options: ServerOptions): Promise<string> => {
    const server = await startServer(options);
    await server.stop();
    return server.output();
  };

  it('says aloud what is not seen to: users without a table, a chain key that hangs on the signing key', async () => {
    const databaseUrl = await migrated({ users: false });
    const said = await saidAtStart({ databaseUrl, args: ['--user-check', 'off'] });
    expect(said).toMatch(/"level":"warn".*"event":"user_check_off"/);
    expect(said).toContain('chain_key_follows_signing_key');
    const checked = await migrated();
    const pinned = await saidAtStart({ databaseUrl: checked, env: { CARELINK_CHAIN_KEY: '00'.repeat(32) } });
    expect(pinned).not.toMatch(/user_check_off|chain_key_follows_signing_key/);
  });

  it.skipIf(services().redis === undefined)(
    'warns who asks for asynchronous blacklisting where changes are not heard',
    async () => {
      const databaseUrl = await migrated();
      // The Redis of the machine has other tests' keys.
      const prefix = `test:${new URL(databaseUrl).pathname.slice(1)}`;
      const args = ['--redis-url', services().redis!, '--redis-prefix', prefix, '--blacklist'];
      const said = await saidAtStart({ databaseUrl, args: [...args, 'async'] });
      expect(said).toMatch(/"level":"warn".*"event":"async_unheard"/);
      expect(await saidAtStart({ databaseUrl, args: [...args, 'auto'] })).not.toContain('async_unheard');
    },
  );
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations, readMigrationOverview } from '../../src/migrate/index.js';
import { createSimplejwtTables, type FreshDatabase, freshDatabase, query } from '../support/postgres.js';
import { services } from '../support/services.js';

const PGBOUNCER = services().pgbouncer;

describe.skipIf(PGBOUNCER === undefined || services().postgres === undefined)(
  'migrate through PgBouncer',
  () => {
    let database: FreshDatabase;
    const bouncers: Bouncer[] = [];
    beforeAll(async () => {
      database = await freshDatabase();
      await createSimplejwtTables(database.url);
    });
    afterAll(async () => {
      for (const bouncer of bouncers) await bouncer.stop();
      await database.drop();
    });
    const through = async (settings: Record<string, string>): Promise<string> => {
      const bouncer = await startBouncer(database.url, settings);
      bouncers.push(bouncer);
      return bouncer.url;
    };

    it.each([
      ['transaction mode', { pool_mode: 'transaction' }],
      [
        'transaction mode that deals its servers out in turn',
        { pool_mode: 'transaction', server_round_robin: '1' },
      ],
      ['transaction mode with one server', { pool_mode: 'transaction', default_pool_size: '1' }],
      ['statement mode', { pool_mode: 'statement' }],
    ])('is refused in %s, with the reason, and changes nothing', async (_, settings) => {
      const url = await through(settings);
      // Other clients have left servers in the pool behind them, as they do in production.
      await Promise.all(Array.from({ length: 8 }, () => query(url, 'SELECT pg_sleep(0.05)')));
      const failed: unknown = await applyMigrations(url, { createTables: false }).catch(
        (error: unknown) => error,
      );
      expect(failed).toMatchObject({ code: 'POOLER' });
      expect(String(failed)).toMatch(/pooler in transaction mode.*direct connection/);
      expect(
        await query(
          database.url,
          `SELECT to_regnamespace('carelink') AS schema,
                (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS locks`,
        ),
      ).toEqual([{ schema: null, locks: 0 }]);
    });

    it('plans in transaction mode, for a plan needs no session', async () => {
      const { migrations } = await readMigrationOverview(await through({ pool_mode: 'transaction' }));
      expect(migrations.find(({ name }) => name === 'idx_outstanding_token_expires')).toMatchObject({
        action: 'build',
      });
    });

    it('works in session mode', async () => {
      const { steps } = await applyMigrations(await through({ pool_mode: 'session' }), {
        createTables: false,
      });
      expect(steps.map(({ outcome }) => outcome)).toContain('applied');
    });
  },
);

interface Bouncer {
  readonly url: string;
  stop(): Promise<void>;
}

async function startBouncer(databaseUrl: string, settings: Record<string, string>): Promise<Bouncer> {
  const target = new URL(databaseUrl);
  const directory = mkdtempSync(join(tmpdir(), 'carelink-pgbouncer-'));
  chmodSync(directory, 0o755);
  const port = await freePort();
  const ini = join(directory, 'pgbouncer.ini');
  const lines = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    ...settings,
  };
  const password = target.password === '' ? '' : ` password=${decodeURIComponent(target.password)}`;
  writeFileSync(
    ini,
    `[databases]
* = host=${target.hostname} port=${target.port || '5432'} user=${target.username}${password}
[pgbouncer]
${Object.entries(lines)
  .map(([name, value]) => `${name} = ${value}`)
  .join('\n')}
`,
  );
  // Like PostgreSQL it refuses to be run by root, and steps down to the user it is told.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const bouncer = spawn(PGBOUNCER!, [...user, ini], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  bouncer.stderr.on('data', (data: Buffer) => (said += data.toString()));
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  await answers(bouncer, url.href, () => said);
  return {
    url: url.href,
    async stop() {
      const exited = once(bouncer, 'exit');
      bouncer.kill('SIGQUIT');
      await exited;
      rmSync(directory, { recursive: true });
    },
  };
}

async function answers(bouncer: ChildProcess, url: string, said: () => string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (bouncer.exitCode !== null) break;
    if (
      await query(url, 'SELECT 1').then(
        () => true,
        () => false,
      )
    )
      return;
    await sleep(25);
  }
  throw new Error(`PgBouncer does not answer: ${said().slice(-500)}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { serve } from '../../src/index.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { inspectCluster } from '../../src/store/embedded-cluster.js';
import { endWithUs } from '../support/end-with-us.js';
import {
  type Cluster,
  createSimplejwtTables,
  createUsers,
  openClient,
  query,
  startCluster,
} from '../support/postgres.js';
import { childrenOf } from '../support/processes.js';
import { BIN, cleanEnvironment, startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { TLS } from '../support/tls-pair.js';
import { issueTokens, TEST_SIGNING_KEY } from '../support/tokens.js';

const FREE_PORTS = ['--port', '0', '--admin-port', '0'];

/** Long enough for a Node to start on a busy machine, and far below every time-out that is meant. */
const AT_ONCE_MS = 4_000;

describe.skipIf(services().postgresBin === undefined || process.platform !== 'linux')(
  'a database that is not there, or does not let anybody in',
  () => {
    let cluster: Cluster;
    beforeAll(async () => {
      cluster = await startCluster();
      await createSimplejwtTables(cluster.url);
      await applyMigrations(cluster.url, { createTables: false });
    });
    afterAll(() => cluster.stop());

    const spawned = (...args: string[]): { child: ChildProcess; said: () => string } => {
      const env = cleanEnvironment({ CARELINK_SIGNING_KEY: TEST_SIGNING_KEY });
      const child = endWithUs(
        spawn(process.execPath, [BIN, 'serve', ...FREE_PORTS, ...args], {
          env,
          stdio: ['ignore', 'pipe', 'pipe'],
        }),
      );
      let said = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (said += String(part)));
      return { child, said: () => said };
    };

    it('tells each refusal as what it is, at once', async () => {
      const admin = await openClient(cluster.url);
      const { rows } = await admin.query<{ hba_file: string }>('SHOW hba_file');
      const hba = rows[0]!.hba_file;
      const data = dirname(hba);
      const who = (method: string, ...roles: string[]) =>
        roles.map((role) => `host all ${role} 127.0.0.1/32 ${method}\n`).join('');
      writeFileSync(
        hba,
        who('trust', 'postgres', 'nobody_made_it', 'not_let_in') +
          who('scram-sha-256', 'with_password') +
          'hostssl all over_tls 127.0.0.1/32 trust\n',
      );
      for (const statement of [
        'CREATE ROLE not_let_in LOGIN',
        'CREATE ROLE over_tls LOGIN',
        'CREATE ROLE not_named LOGIN',
        "CREATE ROLE with_password LOGIN PASSWORD 'hunter2'",
        'CREATE DATABASE closed',
        'REVOKE CONNECT ON DATABASE closed FROM PUBLIC',
        'SELECT pg_reload_conf()',
      ]) {
        await admin.query(statement);
      }
      await admin.query('SELECT pg_sleep(0.2)');
      vi.stubEnv('CARELINK_SIGNING_KEY', TEST_SIGNING_KEY);
      onTestFinished(() => void vi.unstubAllEnvs());
      const refusal = async (as: string, rest = 'postgres'): Promise<[string, number, string]> => {
        const url = `postgres://${as}@127.0.0.1:${cluster.port}/${rest}`;
        const startedMs = performance.now();
        const error: unknown = await serve({ 'database-url': url, port: '0', 'admin-port': '0' }).catch(
          (thrown: unknown) => thrown,
        );
        expect(performance.now() - startedMs).toBeLessThan(AT_ONCE_MS);
        const { code, exitCode, message } = error as { code: string; exitCode: number; message: string };
        expect(message).not.toContain('hunter');
        return [code, exitCode, message];
      };
      const refused = async (as: string, code: string, mend: string, rest?: string): Promise<void> => {
        expect(await refusal(as, rest)).toEqual([code, 4, expect.stringContaining(mend)]);
      };
      await refused('postgres', 'DATABASE_MISSING', 'no database nowhere', 'nowhere');
      await refused('nobody_made_it', 'DATABASE_LOGIN_REFUSED', 'no role nobody_made_it');
      await refused('not_named', 'DATABASE_LOGIN_REFUSED', 'pg_hba.conf');
      await refused('over_tls', 'DATABASE_LOGIN_REFUSED', 'sslmode=require');
      await refused('with_password:hunter3', 'DATABASE_LOGIN_REFUSED', 'does not accept this password');
      await refused('with_password', 'DATABASE_PASSWORD_MISSING', 'PGPASSWORD');
      vi.stubEnv('PGPASSWORD', 'hunter4');
      await refused('with_password', 'DATABASE_LOGIN_REFUSED', 'The password is that of PGPASSWORD');
      vi.stubEnv('PGPASSWORD', undefined);
      await refused('not_let_in', 'DATABASE_CONNECT_DENIED', 'GRANT CONNECT ON DATABASE', 'closed');
      await refused('postgres', 'DATABASE_TLS_FAILED', 'Turn on ssl', 'postgres?sslmode=verify-full');
      await refused('postgres', 'DATABASE_TLS_FAILED', '/no/such/ca.pem', 'postgres?sslmode=verify-full&sslrootcert=/no/such/ca.pem'); // prettier-ignore
      // A certificate that nobody here knows.
      for (const [name, text] of Object.entries({ 'server.crt': TLS.cert, 'server.key': TLS.key })) {
        const path = join(data, name);
        writeFileSync(path, text, { mode: 0o600 });
        const { uid, gid } = statSync(data);
        chownSync(path, uid, gid);
      }
      await admin.query(`ALTER SYSTEM SET ssl = on`);
      await admin.query(`SELECT pg_reload_conf()`);
      await admin.query('SELECT pg_sleep(0.2)');
      await admin.end();
      await refused('postgres', 'DATABASE_TLS_FAILED', 'sslrootcert=FILE', 'postgres?sslmode=verify-full');
    });

    it('is waited for at the start, and Ctrl-C ends the waiting at once', async () => {
      await cluster.kill9();
      const waiting = spawned('--database-url', cluster.url);
      await until(() => waiting.said().includes('database_awaited'));
      const askedMs = performance.now();
      waiting.child.kill('SIGINT');
      expect(await once(waiting.child, 'close')).toEqual([0, null]);
      expect(performance.now() - askedMs).toBeLessThan(AT_ONCE_MS);
      expect(waiting.said()).toMatch(/"kind":"SIGINT".*"event":"stopping"/);

      const { child, said } = spawned('--database-url', cluster.url, '--json');
      await until(() => /"level":"warn".*"event":"database_awaited"/.test(said()));
      await cluster.start();
      await until(() => said().includes('"admin_url"'));
      const adminUrl = /"admin_url":"([^"]+)"/.exec(said())![1]!;

      // While it is here: signals that don't end it, and how it says that it stops.
      for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) child.kill(signal);
      await until(() => said().split('signal_ignored').length === 3 && said().includes('reload_unchanged'));
      expect((await fetch(`${adminUrl}/healthz`)).status).toBe(200);
      expect(said()).not.toMatch(/Debugger|inspector is listening/i);
      expect(await connects(9229)).toBe(false);
      child.kill('SIGTERM');
      expect(await once(child, 'close')).toEqual([0, null]);
      expect(said()).toMatch(/"kind":"SIGTERM".*"event":"stopping"/);
      expect(said()).toMatch(/"kind":"SIGTERM".*"event":"stopped"/);
    });

    it('on a terminal the log is lines for people, and no JSON stands among them', async () => {
      // Of util-linux: gives a command a terminal.
      const withTerminal = 'script';
      const command = [process.execPath, BIN, 'serve', ...FREE_PORTS, '--database-url', cluster.url].join(
        ' ',
      );
      const child = endWithUs(
        spawn(withTerminal, ['-qec', `exec ${command}`, '/dev/null'], {
          env: cleanEnvironment({ CARELINK_SIGNING_KEY: TEST_SIGNING_KEY, TERM: 'xterm', NO_COLOR: '1' }),
          stdio: ['ignore', 'pipe', 'pipe'],
        }),
      );
      let said = '';
      child.stdout.on('data', (part) => (said += String(part)));
      await until(() => said.includes('admin   http'));
      process.kill(childrenOf(child.pid!)[0]!, 'SIGINT');
      await once(child, 'close');
      expect(said).toMatch(/^\d\d:\d\d:\d\d info  listening url=/m);
      expect(said).toMatch(/^\d\d:\d\d:\d\d info  stopping .*kind=SIGINT/m);
      expect(said.split('\n').filter((line) => line.trim().startsWith('{'))).toEqual([]);
    });

    it('is waited for by a worker that is started while it is away, beside others that live', async () => {
      const server = await startServer({
        databaseUrl: cluster.url,
        args: ['--workers', '2', '--database-wait', '1s', '--request-timeout', '1s'],
      });
      onTestFinished(() => server.stop());
      const [victim] = childrenOf(server.pid);
      await cluster.kill9();
      process.kill(victim!, 'SIGKILL');
      // It waits, ends with 4, and another one waits in its place: that is no death of a worker that is broken.
      await until(() => server.output().split('"event":"worker_died"').length > 2);
      expect(server.output()).toMatch(/DATABASE_UNREACHABLE.*"event":"worker_died"/);
      expect(server.output().split('"event":"worker_died"').length).toBeLessThan(5);
      await cluster.start();
      await until(async () => (await readiness(server.adminUrl)).checks['workers'] === 'ok');
      const [login] = await issueTokens(cluster.url, await createUsers(cluster.url, 1));
      const answer = await fetch(`${server.url}/account/token/refresh/`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ refresh: login!.token }),
      });
      expect(answer.status).toBe(200);
      await query(cluster.url, 'SELECT 1');
    });
  },
);

describe('the first start', () => {
  it('is ended at once by Ctrl-C while the embedded database is made, and leaves what the next start begins anew', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'carelink-first-start-'));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    const args = [BIN, 'serve', '--data-dir', dataDir, ...FREE_PORTS];
    const child = endWithUs(
      spawn(process.execPath, args, { env: cleanEnvironment(), stdio: ['ignore', 'ignore', 'pipe'] }),
    );
    child.stderr.resume();
    await until(() => existsSync(join(dataDir, 'pgdata')));
    const askedMs = performance.now();
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(performance.now() - askedMs).toBeLessThan(AT_ONCE_MS);
    // No server has answered from it, and the next start knows that: it begins anew.
    expect(inspectCluster(dataDir)).toBe('being_made');
  });
});

async function readiness(adminUrl: string): Promise<{ checks: Record<string, string> }> {
  return (await (await fetch(`${adminUrl}/readyz`)).json()) as { checks: Record<string, string> };
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('close', () => socket.destroy());
    socket.on('connect', () => socket.destroy());
  });
}

/** Only a bound against hanging. */
const PATIENCE_MS = 40_000;

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!(await done())) {
    if (Date.now() > deadlineMs) throw new Error('it did not come to be');
    await sleep(10);
  }
}

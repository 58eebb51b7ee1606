import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { run } from '../cli/run.js';
import { sendRefresh } from '../support/fleet.js';
import {
  createSimplejwtTables,
  createUsers,
  query,
  startCluster,
  type Cluster,
} from '../support/postgres.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens, TEST_SIGNING_KEY } from '../support/tokens.js';

const PATIENCE = { timeout: 20_000, interval: 50 };

describe.skipIf(services().postgresBin === undefined)('a password that expires', () => {
  let cluster: Cluster;
  let directory: string;
  let file: string;
  let url: string;
  let server: TestServer;

  const setPassword = (password: string) =>
    query(cluster.url, `ALTER ROLE app PASSWORD '${password}' VALID UNTIL 'infinity'`);
  const endSessions = () =>
    query(
      cluster.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND pid <> pg_backend_pid()`,
    );
  const command = (args: readonly string[]) => run(args, { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY });
  const login = async () => (await issueTokens(cluster.url, await createUsers(cluster.url, 1)))[0]!.token;
  const checks = async () => {
    const answer = await fetch(`${server.adminUrl}/readyz`);
    return ((await answer.json()) as { checks: Record<string, string> }).checks;
  };

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'cl-password-'));
    file = join(directory, 'password');
    cluster = await startCluster();
    const [row] = await query<{ hba_file: string }>(cluster.url, 'SHOW hba_file');
    writeFileSync(
      row!.hba_file,
      `host all app 127.0.0.1/32 scram-sha-256\n${readFileSync(row!.hba_file, 'utf8')}`,
    );
    await query(cluster.url, 'SELECT pg_reload_conf()');
    await createSimplejwtTables(cluster.url);
    await applyMigrations(cluster.url, { createTables: false, notify: true });
    await query(cluster.url, `CREATE ROLE app LOGIN SUPERUSER PASSWORD 'first'`);
    writeFileSync(file, 'first\n');
    url = cluster.url.replace('postgres@', 'app@');
    server = await startServer({
      databaseUrl: url,
      args: ['--database-password-file', file, '--pool-size', '4', '--request-timeout', '2s'],
    });
  });
  afterAll(async () => {
    await server.stop();
    await cluster.stop();
    rmSync(directory, { recursive: true });
  });

  it('is replaced by the next one: refreshes and what is heard go on, though all sessions were ended', async () => {
    expect((await sendRefresh(server.url, '', await login(), 0)).status).toBe(200);
    await expect.poll(checks, PATIENCE).toEqual({ database: 'ok', changes: 'ok' });
    const next = await login();
    await setPassword('second');
    await endSessions();
    // Until the file has it nobody gets in, and the log says why.
    await expect.poll(async () => (await checks())['database'], PATIENCE).toBe('unreachable');
    await expect.poll(() => server.output(), PATIENCE).toContain('"kind":"DATABASE_LOGIN_REFUSED"');
    expect(server.output()).toContain('--database-password-file');
    writeFileSync(file, 'second\n');
    await expect.poll(checks, PATIENCE).toEqual({ database: 'ok', changes: 'ok' });
    expect((await sendRefresh(server.url, '', next, 1)).status).toBe(200);
    expect(server.output()).not.toMatch(/first|second/);
  });

  it('goes on without a gap where the file has the next one before the server does', async () => {
    const tokens = await Promise.all([1, 2, 3, 4].map(login));
    writeFileSync(file, 'third');
    await setPassword('third');
    await endSessions();
    const answers = await Promise.all(tokens.map((token, n) => sendRefresh(server.url, '', token, n)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  it('is fetched by each command as by the server', async () => {
    const script = join(directory, 'print password');
    writeFileSync(script, `#!/bin/sh\ntest "$1" = "for app" && cat ${file}\n`);
    chmodSync(script, 0o755);
    const shared = ['--json', '--database-url', url];
    const fetched = [...shared, '--database-password-command', `'${script}' "for app"`];
    const commands = [['migrate', 'status'], ['cleanup', '--dry-run'], ['doctor'], ['dead-letters', 'list']];
    const ended = await Promise.all(commands.map((args) => command([...args, ...fetched])));
    expect(ended.map(({ stdout, stderr }) => `${stdout}${stderr}`).join()).not.toMatch(
      /DATABASE_|password authentication/,
    );
    expect(ended.map(({ code }) => code)).toEqual([0, 0, expect.toBeOneOf([0, 1]), 0]);
    const refused = await command([
      'migrate',
      'status',
      ...shared,
      '--database-password-command',
      `"${script}" for other`,
    ]);
    expect(refused.code).toBe(4);
    expect(refused.stderr + refused.stdout).toMatch(
      /DATABASE_PASSWORD_MISSING.*--database-password-command .*ended with exit code 1/s,
    );
  });

  it('is given once: in the URL, in a file, or by a command', async () => {
    const withPassword = url.replace('app@', 'app:third@');
    const both = await command(['migrate', 'status', '--database-url', withPassword, '--database-password-file', file]); // prettier-ignore
    expect([both.code, both.stderr]).toEqual([2, expect.stringMatching(/--database-password-file and the password in --database-url exclude/)]); // prettier-ignore
    const embedded = await command(['cleanup', '--database-password-file', file]);
    expect([embedded.code, embedded.stderr]).toEqual([2, expect.stringContaining('give --database-url, too')]); // prettier-ignore
  });
});

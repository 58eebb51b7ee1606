import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedDirectory } from '../support/embedded-directory.js';
import { BIN, cleanEnvironment, startServer } from '../support/server.js';
import { run } from '../cli/run.js';
import { mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

let dataDir: string;

beforeAll(async () => {
  dataDir = await embeddedDirectory('cli');
  expect(await run(['migrate', '--data-dir', dataDir, '--quiet'])).toMatchObject({ code: 0, stdout: '' });
});

afterAll(() => rmSync(dataDir, { recursive: true }));

describe('migrate', () => {
  it('says for people, or as JSON, that nothing is pending, and ends with 0', async () => {
    const text = await run(['migrate', 'status', '--data-dir', dataDir]);
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/^(applied|covered) .*carelink_schema/m);
    const json = await run(['migrate', 'status', '--data-dir', dataDir, '--json']);
    expect(json.code).toBe(0);
    expect(JSON.parse(json.stdout)).toHaveProperty('migrations');
  });
});

describe('cleanup, revoke, dead-letters and doctor', () => {
  it('work on the embedded database that is there', async () => {
    const on = (...command: string[]) => run([...command, '--data-dir', dataDir]);
    const commands = [['cleanup'], ['dead-letters', 'list'], ['dead-letters', 'retry', '--all']];
    for (const command of commands) expect([command, (await on(...command)).code]).toEqual([command, 0]);
    // Nobody has logged in.
    expect(await on('revoke', '--user', '4711', '--yes')).toMatchObject({ code: 0 });
    const { stdout } = await on('doctor', '--json');
    expect((JSON.parse(stdout) as { checks: { status: string }[] }).checks.length).toBeGreaterThan(10);
  });
});

describe('serve', () => {
  it('prints one JSON line with --json, and its log on stderr never has the sample token', async () => {
    const server = await startServer({ dataDir, env: { CARELINK_SIGNING_KEY: '' } });
    try {
      expect(server.listening).toEqual({
        event: 'listening',
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
        admin_url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
        base_path: '/account/token',
        sample_refresh: expect.stringMatching(/^ey[\w-]+\.[\w-]+\.[\w-]+$/) as string,
        data_dir: dataDir,
      });
      expect((await fetch(`${server.adminUrl}/readyz`)).status).toBe(200);
      const refresh = () =>
        fetch(`${server.url}/account/token/refresh/`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ refresh: server.sampleRefresh }),
        });
      const { exp, iat } = decodeJwt(server.sampleRefresh!);
      expect(exp! - iat!).toBe(15 * 60);
      expect((await refresh()).status).toBe(200);
      expect((await refresh()).status).toBe(401);

      const second = await run(['serve', '--data-dir', dataDir, '--port', '0', '--admin-port', '0']);
      expect(second).toMatchObject({ code: 5, stdout: '' });
      expect(second.stderr).toContain(`process ${server.pid}`);
      expect(await run(['migrate', '--data-dir', dataDir])).toMatchObject({ code: 5, stdout: '' });
    } finally {
      await server.stop();
    }
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(server.output().split(server.sampleRefresh!)).toHaveLength(2);
  });

  it.each([
    ['where others can reach it', { args: ['--host', '0.0.0.0'] }],
    ['with a key that others know', { env: { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY } }],
  ])('shows no sample token %s', async (_, options) => {
    const server = await startServer({ dataDir, env: { CARELINK_SIGNING_KEY: '' }, ...options });
    try {
      expect(server.listening).toMatchObject({ event: 'listening', data_dir: dataDir });
      expect(server.listening).not.toHaveProperty('sample_refresh');
      expect(server.output()).not.toMatch(/ey[\w-]+\.[\w-]+\.[\w-]+/);
    } finally {
      await server.stop();
    }
  });

  it('has one connection to the embedded database, however much is asked at once', async () => {
    const server = await startServer({ dataDir });
    try {
      const post = (path: string, body: object) =>
        fetch(`${server.url}/account/token/${path}/`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
      const asked = Array.from({ length: 20 }, () => [
        post('refresh', { refresh: mintRefresh().token }),
        post('verify', { token: mintRefresh().token }),
        post('blacklist', { refresh: mintRefresh().token }),
        fetch(`${server.adminUrl}/readyz`),
      ]).flat();
      expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([200]));
      const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
      expect(metrics).toContain('\ncarelink_db_pool_open 1\n');
    } finally {
      await server.stop();
    }
  });

  it('prints a curl line for people that works as it stands', async () => {
    const child = spawn(
      process.execPath,
      [BIN, 'serve', '--data-dir', dataDir, '--port', '0', '--admin-port', '0'],
      { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] },
    );
    try {
      let stdout = '';
      while (!stdout.includes('Ctrl-C')) stdout += String((await once(child.stdout, 'data'))[0]);
      expect(stdout).not.toContain('\u001b[');
      expect(stdout).toMatch(/sample token \(it expires in 15 minutes\)/);
      const line = stdout.split('\n').find((one) => one.trim().startsWith('curl '));
      expect(line).toBeDefined();
      // curl is not everywhere: the line's parts are what is tried.
      const [, url, body] = /-X POST '([^']+)' .*-d '([^']+)'/.exec(line!) ?? [];
      const response = await fetch(url!, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: body!,
      });
      expect(response.status).toBe(200);
    } finally {
      child.kill('SIGINT');
    }
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('a signal while the database starts stops it in order', async () => {
    const child = spawn(
      process.execPath,
      [BIN, 'serve', '--data-dir', dataDir, '--port', '0', '--admin-port', '0'],
      { env: cleanEnvironment(), stdio: ['ignore', 'ignore', 'pipe'] },
    );
    expect(String((await once(child.stderr, 'data'))[0])).toContain('starting the embedded PostgreSQL');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await run(['migrate', 'status', '--data-dir', dataDir])).toMatchObject({ code: 0 });
  });

  it('a second signal ends it at once with 130, though a request is in flight', async () => {
    const server = await startServer({ dataDir, args: ['--shutdown-timeout', '10m'] });
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    // The server answers 100 once it has read the headers: from then on the request is in flight.
    socket.write(
      'POST /account/token/refresh/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n',
    );
    expect(String((await once(socket, 'data'))[0])).toContain('100 Continue');
    server.kill('SIGTERM');
    expect(await Promise.race([server.exited, sleep(500, 'still draining')])).toBe('still draining');
    server.kill('SIGTERM');
    expect(await server.exited).toEqual({ code: 130, signal: null });
    socket.destroy();
  });

  it('ends with 1 and a sentence where its port is taken, and lets the directory go', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const args = ['serve', '--data-dir', dataDir, '--port', String(port), '--admin-port', '0'];
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`127.0.0.1:${port} (EADDRINUSE)`);
    listener.close();
    await (await startServer({ dataDir })).stop();
  });
});

/** `--host unix:/path`: who may connect, whose address is believed, and what is left when it ends. */
import { execFile } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cleanEnvironment, BIN, startServer, type TestServer } from '../support/server.js';
import { childrenOf } from '../support/processes.js';
import { until } from '../support/redis.js';
import { rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

const run = promisify(execFile);

interface Line {
  readonly event: string;
  readonly address?: string;
  readonly request_id?: string;
}

describe.skipIf(services().postgres === undefined || process.platform !== 'linux')('a unix socket', () => {
  const world = rotationWorld();

  const place = (): { readonly path: string; readonly directory: string } => {
    const directory = mkdtempSync(join(tmpdir(), 'carelink-unix-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    return { directory, path: join(directory, "it's.sock") };
  };
  const serve = async (path: string, ...args: string[]): Promise<TestServer> => {
    const server = await startServer({ databaseUrl: world.url, args: ['--host', `unix:${path}`, ...args] });
    onTestFinished(() => server.stop());
    return server;
  };
  const refresh = (path: string, token: string, headers: Record<string, string> = {}): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = request(
        {
          socketPath: path,
          path: '/account/token/refresh/',
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
        },
        (answer) => {
          answer.resume();
          answer.on('end', () => resolve(answer.statusCode ?? 0));
        },
      );
      sent.on('error', reject);
      sent.end(JSON.stringify({ refresh: token }));
    });
  const requests = (server: TestServer): Line[] =>
    server
      .output()
      .split('\n')
      .filter((line) => line.includes('"event":"request"'))
      .map((line) => JSON.parse(line) as Line);

  it('is shared by workers, outlives them, is refused to a second server, and is gone at the end', async () => {
    const { path, directory } = place();
    const server = await serve(path, '--workers', '2');
    expect(server.url).toBe(`unix:${path}`);
    expect(readdirSync(directory)).toEqual(["it's.sock"]);
    expect(lstatSync(path).mode & 0o777).toBe(0o660);
    expect(await refresh(path, (await world.login()).token)).toBe(200);

    const second = startServer({ databaseUrl: world.url, args: ['--host', `unix:${path}`] });
    await expect(second).rejects.toThrow(/LISTEN_FAILED.*Another process listens there/s);
    expect(await refresh(path, (await world.login()).token)).toBe(200);

    // With the last worker the socket that they shared is dead; the next one makes another.
    const madeAt = () => lstatSync(path, { throwIfNoEntry: false })?.mtimeMs;
    const before = madeAt();
    for (const pid of childrenOf(server.pid)) process.kill(pid, 'SIGKILL');
    await until(() => Promise.resolve(![before, undefined].includes(madeAt())));
    const { token } = await world.login();
    expect(await refresh(path, token)).toBe(200);
    await server.stop();
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(readdirSync(directory)).toEqual([]);
  });

  it("of a killed server is taken by the next one, and its peer's word is taken where --trusted-proxy says unix:", async () => {
    const { path, directory } = place();
    const killed = await serve(path, '--access-log', 'all');
    const told = { 'x-forwarded-for': '198.51.100.7', 'x-request-id': 'of-nginx' };
    expect(await refresh(path, (await world.login()).token, told)).toBe(200);
    await until(() => Promise.resolve(requests(killed).length === 1));
    // Nobody is believed by default, and a socket tells no address.
    expect(requests(killed)[0]!.address).toBeUndefined();
    expect(requests(killed)[0]!.request_id).not.toBe('of-nginx');
    killed.kill('SIGKILL');
    await killed.exited;
    expect(lstatSync(path).isSocket()).toBe(true);

    const next = await serve(path, '--access-log', 'all', '--trusted-proxy', 'unix:');
    expect(await refresh(path, (await world.login()).token, told)).toBe(200);
    await until(() => Promise.resolve(requests(next).length === 1));
    expect(requests(next)[0]).toMatchObject({ address: '198.51.100.7', request_id: 'of-nginx' });
    await next.stop();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('the line that is printed for curl works as it is', async () => {
    const { path, directory } = place();
    const server = execFile(
      process.execPath,
      [BIN, 'serve', '--host', `unix:${path}`, '--admin-port', '0', '--data-dir', join(directory, 'data')],
      { env: cleanEnvironment() },
    );
    let said = '';
    for (const stream of [server.stdout, server.stderr]) stream?.on('data', (part) => (said += String(part)));
    const ended = new Promise((resolve) => server.once('exit', resolve));
    onTestFinished(async () => {
      server.kill('SIGTERM');
      await ended;
    });
    await until(() => Promise.resolve(said.includes('Ctrl-C stops it.') || server.exitCode !== null));
    expect(said).toContain(`tokens  http://localhost/account/token/  (at the socket ${path})`);
    const line = /^ *(curl .*)$/m.exec(said)?.[1] ?? '';
    const { stdout } = await run('sh', ['-c', `${line} -s`]);
    expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['access', 'refresh']);
  });
});

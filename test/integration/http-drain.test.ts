/** Stopping: what is in flight is finished, what is idle is closed, and it never takes longer than it may. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RefreshOutcome } from '../../src/rotation/outcomes.js';
import { open, post, readAll, REFRESH, ROTATED, start, until } from '../unit/http/server-under-test.js';

// From the PATH; npm has no package that brings it.
const OPENSSL = 'openssl';
const GOOD = '{"refresh":"x"}';

/** A service whose refreshes end when they are told to. */
function held(): { refresh: () => Promise<RefreshOutcome>; waiting: (() => void)[] } {
  const waiting: (() => void)[] = [];
  return {
    waiting,
    refresh: () => new Promise((resolve) => waiting.push(() => resolve(ROTATED))),
  };
}

describe('close', () => {
  it('finishes what is in flight, says Connection: close, and accepts nobody new', async () => {
    const service = held();
    const { server, port } = await start({ service });
    const sockets = await Promise.all(Array.from({ length: 20 }, () => open(port)));
    const answers = sockets.map((socket) => readAll(socket));
    for (const socket of sockets) socket.write(post(REFRESH, GOOD));
    await until(() => service.waiting.length === 20);
    let closed = false;
    const closing = server.close(10_000).then(() => (closed = true));
    await expect(open(port)).rejects.toThrow('ECONNREFUSED');
    expect(closed).toBe(false);
    for (const release of service.waiting) release();
    for (const answer of await Promise.all(answers)) {
      expect(answer).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*Connection: close[\s\S]*ddd\.eee\.fff/);
    }
    await closing;
  });

  it('closes idle connections at once: those that had requests, and those that never sent a byte', async () => {
    const { server, port } = await start();
    const used = await open(port);
    used.write(post(REFRESH, GOOD));
    await once(used, 'data');
    const silent = await open(port);
    const before = performance.now();
    await server.close(10_000);
    expect(performance.now() - before).toBeLessThan(5_000);
    used.destroy();
    silent.destroy();
  });

  it('lets a request that is half here arrive, and answers it', async () => {
    const { server, port } = await start();
    const socket = await open(port);
    const answer = readAll(socket);
    const bytes = post(REFRESH, GOOD);
    socket.write(bytes.slice(0, -5));
    // So that the server has read the first part.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closing = server.close(10_000);
    socket.write(bytes.slice(-5));
    expect(await answer).toMatch(/^HTTP\/1\.1 200[\s\S]*Connection: close/);
    await closing;
  });

  it('destroys what remains at the bound', async () => {
    const service = held();
    const { server, port, logged } = await start({ service });
    const socket = await open(port);
    const answer = readAll(socket);
    socket.write(post(REFRESH, GOOD));
    await until(() => service.waiting.length === 1);
    const before = performance.now();
    await server.close(200);
    const took = performance.now() - before;
    expect(took).toBeGreaterThanOrEqual(190);
    expect(took).toBeLessThan(5_000);
    expect(await answer).toBe('');
    expect(logged.join('')).toContain('drain_timed_out');
    service.waiting[0]!();
  });

  it('may be asked for twice', async () => {
    const { server } = await start();
    await Promise.all([server.close(1_000), server.close(1_000)]);
  });

  it('tells an address that is taken', async () => {
    const first = await start();
    await expect(start({ port: first.port })).rejects.toThrow('EADDRINUSE');
    await first.server.close(0);
  });
});

describe('over TLS', () => {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-tls-'));
  const keyPath = join(directory, 'key.pem');
  const certPath = join(directory, 'cert.pem');
  const made = (() => {
    const subject = ['-subj', '/CN=localhost', '-days', '1', '-nodes', '-newkey', 'rsa:2048'];
    try {
      execFileSync(OPENSSL, ['req', '-x509', ...subject, '-keyout', keyPath, '-out', certPath], {
        stdio: 'ignore',
      });
      return true;
    } catch {
      console.error('No openssl, so the test of TLS is SKIPPED: apt-get install openssl');
      return false;
    }
  })();

  it.skipIf(!made)('answers and drains', async () => {
    const tls = { key: readFileSync(keyPath, 'utf8'), cert: readFileSync(certPath, 'utf8') };
    rmSync(directory, { recursive: true });
    const service = held();
    const { server, url, port } = await start({ service, tls });
    expect(url).toBe(`https://127.0.0.1:${port}`);
    const headers = { 'content-type': 'application/json' };
    const sent = request(url + REFRESH, { method: 'POST', ca: tls.cert, checkServerIdentity: () => undefined, headers }); // prettier-ignore
    sent.end(GOOD);
    await until(() => service.waiting.length === 1);
    const closing = server.close(10_000);
    service.waiting[0]!();
    const [response] = await once(sent, 'response');
    expect(response.statusCode).toBe(200);
    expect(response.headers.connection).toBe('close');
    response.resume();
    await closing;
  });
});

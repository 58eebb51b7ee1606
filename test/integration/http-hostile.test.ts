/** Clients that are slow, broken, gone or hostile, against a real server on real sockets. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { RefreshOutcome } from '../../src/rotation/outcomes.js';
import { TLS } from '../support/tls-pair.js';
import {
  open,
  post,
  readAll,
  REFRESH,
  ROTATED,
  start,
  talk,
  until,
  type Started,
} from '../unit/http/server-under-test.js';

const GOOD = '{"refresh":"x"}';
const SHORT = { headersTimeoutMs: 300, requestTimeoutMs: 300 };

let running: Started | undefined;
afterEach(async () => {
  await running?.server.close(0);
  running = undefined;
});

async function serve(options: Parameters<typeof start>[0] = {}): Promise<Started> {
  return (running = await start(options));
}

/** One JSON answer with this status, and nothing behind it. */
function expectOnly(text: string, status: number): void {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(head).toContain('Content-Type: application/json');
  expect(head).toContain('Connection: close');
  expect(JSON.parse(body)).toMatchObject({ error: expect.any(String) });
  expect(text).not.toMatch(/<html|\bat .*:\d+:\d+/i);
}

describe('slow senders', () => {
  it('who never finish their headers get 408 and a closed connection', async () => {
    const { port } = await serve({ limits: SHORT });
    const socket = await open(port);
    socket.write(`POST ${REFRESH} HTTP/1.1\r\nHost: x\r\nX-Slow`);
    expectOnly(await readAll(socket), 408);
  });

  it('who never say a word get the same', async () => {
    const { port } = await serve({ limits: SHORT });
    expectOnly(await readAll(await open(port)), 408);
  });

  it('who trickle their body get the same, however lively they look', async () => {
    const { port, observed } = await serve({ limits: SHORT });
    const socket = await open(port);
    socket.write(post(REFRESH, '', { 'Content-Length': '1000' }));
    const trickle = setInterval(() => socket.write('x'), 20);
    const text = await readAll(socket);
    clearInterval(trickle);
    expectOnly(text, 408);
    expect(observed).toEqual([]);
  });

  it('who send a second request too slowly still get the answer to the first', async () => {
    let release: ((outcome: RefreshOutcome) => void) | undefined;
    const { port } = await serve({
      limits: SHORT,
      service: { refresh: () => new Promise((resolve) => (release = resolve)) },
    });
    const socket = await open(port);
    const answers = readAll(socket);
    socket.write(post(REFRESH, GOOD));
    await until(() => release !== undefined);
    socket.write(`POST ${REFRESH} HTTP/1.1\r\nHost: x\r\n`);
    await sleep(900);
    release!(ROTATED);
    expect(await answers).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*"refresh":"ddd\.eee\.fff"\}/);
  });
});

describe('too much', () => {
  it('headers over 16 KiB: 431', async () => {
    const { port } = await serve();
    expectOnly(await talk(port, post(REFRESH, GOOD, { 'X-Big': 'x'.repeat(17_000) })), 431);
  });

  it('a body over 64 KiB by its length: 413, before it is read', async () => {
    const { port } = await serve();
    const socket = await open(port);
    socket.write(post(REFRESH, '', { 'Content-Length': '65537' }));
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    await until(() => text.includes('"error"'));
    socket.end();
    expectOnly(text, 413);
  });

  it('a body over 64 KiB in chunks: 413, and the whole answer arrives while the client still sends', async () => {
    const { port } = await serve();
    const socket = await open(port);
    const answer = readAll(socket);
    socket.write(post(REFRESH, '', { 'Transfer-Encoding': 'chunked' }).replace(/Content-Length.*\r\n/, ''));
    for (let i = 0; i < 40; i += 1) socket.write(`1000\r\n${'x'.repeat(0x1000)}\r\n`);
    expectOnly(await answer, 413);
  });

  it('exactly 64 KiB is read', async () => {
    const { port } = await serve();
    const body = `{"refresh":"x","pad":"${'p'.repeat(65_536)}`.slice(0, 65_534) + '"}';
    expect(body).toHaveLength(65_536);
    expect(await talk(port, post(REFRESH, body))).toMatch(/^HTTP\/1\.1 200/);
  });

  it('a large body to a path that is not there, or by another method: answered, not swallowed', async () => {
    const { port } = await serve();
    const big = 'x'.repeat(300_000);
    expectOnly(await talk(port, post('/nope', big)), 404);
    expectOnly(await talk(port, post(REFRESH, big).replace('POST', 'PUT')), 405);
  });

  it('more connections than allowed are turned away', async () => {
    const { port } = await serve({ limits: { maxConnections: 2 } });
    const first = [await open(port), await open(port)];
    const third = await open(port);
    expect(await readAll(third)).toBe('');
    first[0]!.destroy();
    await until(async () => (await talk(port, post(REFRESH, GOOD))).startsWith('HTTP/1.1 200'));
    first[1]!.destroy();
  });
});

describe('the door', () => {
  it.skipIf(process.platform !== 'linux')(
    'lets a burst of 1,500 connections in at once, though nobody is accepting at the moment',
    async () => {
      const { port } = await serve();
      // It blocks this process, and so the server in it: only the kernel's queue takes connections meanwhile.
      const client = `
        let connected = 0;
        for (let n = 0; n < 1500; n++) {
          require('net').connect(${port}, '127.0.0.1', () => connected++).on('error', () => {});
        }
        setTimeout(() => { console.log(connected); process.exit(); }, 900);`;
      const { stdout } = spawnSync(process.execPath, ['-e', client], { encoding: 'utf8' });
      const somaxconn = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
      expect(Number(stdout)).toBeGreaterThanOrEqual(Math.min(1_500, somaxconn));
    },
  );

  it('closes a TLS connection that never says anything as it does one whose headers never come', async () => {
    const { port } = await serve({ tls: TLS, limits: { headersTimeoutMs: 300 } });
    const startedMs = performance.now();
    expect(await readAll(await open(port))).toBe('');
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });
});

describe('what is no HTTP', () => {
  it.each([
    ['nonsense', '\x16\x03\x01 hello\r\n\r\n'],
    ['HTTP of another kind', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a method nobody knows', `FROB ${REFRESH} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ['two lengths', post(REFRESH, GOOD).replace('\r\n\r\n', '\r\nContent-Length: 3\r\n\r\n')],
    ['a length and chunks at once', post(REFRESH, GOOD, { 'Transfer-Encoding': 'chunked' })],
    ['a bad chunk', post(REFRESH, 'zz\r\n').replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked')],
    ['a header without a colon', `POST ${REFRESH} HTTP/1.1\r\nHost x\r\n\r\n`],
    ['headers that end too soon', `POST ${REFRESH} HTTP/1.1\r\nHost: x\r\n`],
    ['a body that ends too soon', post(REFRESH, GOOD, { 'Content-Length': '500' })],
    ['a NUL in a header', `POST ${REFRESH} HTTP/1.1\r\nHost: x\0y\r\n\r\n`],
  ])('%s: 400 in JSON', async (_name, bytes) => {
    const { port } = await serve();
    expectOnly(await talk(port, bytes), 400);
  });

  it('garbage behind a good request: the good one is answered first, also when it takes its time', async () => {
    const { port } = await serve({ service: { refresh: async () => (await sleep(100), ROTATED) } });
    const text = await talk(port, post(REFRESH, GOOD) + '\x00\x01\x02\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*"refresh":"ddd\.eee\.fff"\}/);
  });

  it('garbage after an answer on the same connection: 400, once', async () => {
    const { port } = await serve();
    const socket = await open(port);
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.write(post(REFRESH, GOOD));
    await until(() => text.includes('ddd.eee.fff'));
    text = '';
    socket.write('\x00\x01\r\n\r\n');
    socket.write('more\r\n\r\n');
    await once(socket, 'end');
    socket.destroy();
    expectOnly(text, 400);
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });
});

describe('manners of HTTP that are to be kept', () => {
  it('a half-closed connection gets its answer, also one that takes its time', async () => {
    const { port } = await serve({ service: { refresh: async () => (await sleep(150), ROTATED) } });
    expect(await talk(port, post(REFRESH, GOOD))).toMatch(/^HTTP\/1\.1 200[\s\S]*ddd\.eee\.fff/);
  });

  it('pipelined requests are answered in their order, however they end', async () => {
    const { port } = await serve({
      service: {
        refresh: async (token) => {
          await sleep(token === 'a' ? 60 : 1);
          return { ...ROTATED, refresh: `${token}.${token}.${token}` };
        },
      },
    });
    const text = await talk(
      port,
      'abcd'.replace(/./g, (name) => post(REFRESH, `{"refresh":"${name}"}`)),
    );
    const order = [...text.matchAll(/"refresh":"(.)\./g)].map((match) => match[1]);
    expect(order.join('')).toBe('abcd');
  });

  it('chunked bodies, in chunks of one byte', async () => {
    const seen: string[] = [];
    const { port } = await serve({
      service: { refresh: (token) => (seen.push(token), Promise.resolve(ROTATED)) },
    });
    const chunks = Array.from('{"refresh":"é.é"}', (char) => `${Buffer.byteLength(char)}\r\n${char}\r\n`);
    const head = post(REFRESH, '').replace('Content-Length: 0', 'Transfer-Encoding: chunked');
    const socket = await open(port);
    const answer = readAll(socket);
    socket.write(head);
    for (const byte of Buffer.from(chunks.join('') + '0\r\n\r\n')) {
      socket.write(Buffer.of(byte));
      if (byte === 0x0d) await sleep(1);
    }
    socket.end();
    expect(await answer).toMatch(/^HTTP\/1\.1 200/);
    expect(seen).toEqual(['é.é']);
  });

  it('Expect: 100-continue is answered before the body, and refused where the body is too large', async () => {
    const { port } = await serve();
    const socket = await open(port);
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    const expects = { Expect: '100-continue', 'Content-Length': String(GOOD.length) };
    socket.write(post(REFRESH, '', expects));
    await until(() => text.includes('\r\n\r\n'));
    expect(text).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write(GOOD);
    await until(() => text.includes('ddd.eee.fff'));
    socket.destroy();
    const large = { Expect: '100-continue', 'Content-Length': '70000' };
    expectOnly(await talk(port, post(REFRESH, '', large)), 413);
  });

  it('a connection is kept for the next request, and one of HTTP/1.0 is not', async () => {
    const { port } = await serve();
    const text = await talk(port, post(REFRESH, GOOD) + post('/nope', '{}') + post(REFRESH, GOOD));
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1])).toEqual(['200', '404', '200']);
    const old = await open(port);
    old.write(
      `POST ${REFRESH} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n${GOOD}`,
    );
    expect(await readAll(old)).toMatch(/^HTTP\/1\.1 200[\s\S]*Connection: close/);
  });

  it('an aborted request is still worked on, and hurts nobody', async () => {
    let release: (() => void) | undefined;
    const { port, observed, logged } = await serve({
      service: {
        refresh: () => new Promise((resolve) => (release = () => resolve(ROTATED))),
      },
    });
    const socket = await open(port);
    socket.write(post(REFRESH, GOOD));
    await until(() => release !== undefined);
    socket.resetAndDestroy();
    await sleep(50);
    release!();
    await until(() => observed.length === 1);
    expect(observed[0]!.outcome).toBe('rotated');
    expect(logged.join('')).not.toContain('"error"');
  });
});

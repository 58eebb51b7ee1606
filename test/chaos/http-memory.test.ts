/** What bad clients leave behind: nothing. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { open, post, REFRESH, ROTATED, start, talk, until } from '../unit/http/server-under-test.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const GOOD = '{"refresh":"x"}';
const KINDS: ((port: number) => Promise<unknown>)[] = [
  // Aborted in the middle of the headers, of the body, and while it is worked on.
  async (port) => reset(port, `POST ${REFRESH} HTTP/1.1\r\nHost: x\r\nX-Part`),
  async (port) => reset(port, post(REFRESH, '{"refresh":"', { 'Content-Length': '60000' })),
  async (port) => reset(port, post(REFRESH, GOOD)),
  async (port) => reset(port, post(REFRESH, GOOD).repeat(3)),
  (port) => talk(port, 'nonsense\r\n\r\n'),
  (port) => talk(port, post(REFRESH, '{"refresh":')),
  (port) => talk(port, post(REFRESH, GOOD, { 'Content-Type': 'text/plain' })),
  (port) => talk(port, post(REFRESH, 'x', { 'Content-Type': 'multipart/form-data; boundary=b' })),
  (port) => talk(port, post('/nope', '{}')),
  (port) => talk(port, post(REFRESH, GOOD, { 'X-Big': 'x'.repeat(17_000) })),
  (port) => talk(port, post(REFRESH, '', { 'Content-Length': '99999999' })),
];

async function reset(port: number, bytes: string): Promise<void> {
  const socket = await open(port);
  await new Promise((sent) => socket.write(bytes, sent));
  socket.resetAndDestroy();
}

async function hammer(port: number, requests: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < requests) await KINDS[next++ % KINDS.length]!(port);
  };
  await Promise.all(Array.from({ length: 20 }, worker));
}

async function heapAfterGc(): Promise<number> {
  // Sockets close, and their handles are let go, in later turns of the loop.
  for (let i = 0; i < 5; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    gc();
  }
  return process.memoryUsage().heapUsed;
}

it('10,000 bad and aborted requests leave no memory behind', { timeout: 180_000 }, async () => {
  const { server, port, observed, logged } = await start({
    level: 'info',
    service: { refresh: async () => (await new Promise((resolve) => setTimeout(resolve, 5)), ROTATED) },
  });
  // The first thousands compile code and fill caches.
  await hammer(port, 3_000);
  const before = await heapAfterGc();
  await hammer(port, 10_000);
  // Ours, not the server's: the test keeps what was observed.
  observed.length = 0;
  logged.length = 0;
  const grown = (await heapAfterGc()) - before;
  // A single kilobyte kept of each would be 10 MB.
  expect(grown).toBeLessThan(3_000_000);
  await until(async () => (await talk(port, post(REFRESH, GOOD))).startsWith('HTTP/1.1 200'));
  await server.close(5_000);
});

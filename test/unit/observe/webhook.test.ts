import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Alert } from '../../../src/observe/alerts/alert.js';
import { Webhook } from '../../../src/observe/alerts/webhook.js';

const alert = (detail: string): Alert => ({
  code: 'POOL_SATURATED',
  severity: 'warning',
  title: 'Statements wait for a connection',
  action: 'Look for locks.',
  subject: '',
  detail,
  sinceMs: 0,
});

let server: Server | undefined;
let webhook: Webhook | undefined;
afterEach(async () => {
  await webhook?.stop();
  server?.closeAllConnections();
  server?.close();
});

/** A receiver that answers with these statuses, one a request, the last one for ever. */
async function receiver(...statuses: number[]) {
  const bodies: Record<string, unknown>[] = [];
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (part) => (text += String(part)));
    request.on('end', () => {
      const status = (statuses.length > 1 ? statuses.shift() : statuses[0])!;
      if (status === 0) return;
      response.writeHead(status).end();
      if (status === 200) bodies.push(JSON.parse(text) as Record<string, unknown>);
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const results: string[] = [];
  let told: () => void = () => undefined;
  webhook = new Webhook({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/s3cret`,
    source: 'carelink-tokens at ward-3',
    // The shortest pauses.
    random: () => 0,
    onResult(result) {
      results.push(result);
      told();
    },
  });
  const until = async (count: number) => {
    while (results.length < count) await new Promise<void>((resolve) => (told = resolve));
  };
  return { webhook, bodies, results, until };
}

describe('--alert-webhook', () => {
  it('posts what was raised and cleared, in order, with a text for people', async () => {
    const { webhook: hook, bodies, until } = await receiver(200);
    hook.tell('raised', alert('12 wait, none is idle'));
    hook.tell('cleared', alert('12 wait, none is idle'));
    await until(2);
    expect(bodies).toMatchObject([
      { event: 'raised', code: 'POOL_SATURATED', severity: 'warning', since: '1970-01-01T00:00:00.000Z' },
      { event: 'cleared', code: 'POOL_SATURATED' },
    ]);
    expect(bodies[0]!['text']).toBe(
      'carelink-tokens at ward-3 [warning] POOL_SATURATED: Statements wait for a connection: 12 wait, none is idle. Look for locks.',
    );
    expect(JSON.stringify(bodies)).not.toContain('s3cret');
  });

  it('tries again where the receiver fails, and keeps the order', async () => {
    const { webhook: hook, bodies, results, until } = await receiver(503, 500, 200);
    hook.tell('raised', alert('first'));
    hook.tell('raised', alert('second'));
    await until(2);
    expect(bodies.map(({ detail }) => detail)).toEqual(['first', 'second']);
    expect(results).toEqual(['delivered', 'delivered']);
  });

  it('holds a bounded number, counts the rest, and stops at once', async () => {
    const { webhook: hook, results } = await receiver(0);
    for (let n = 0; n < 150; n++) hook.tell('raised', alert(String(n)));
    // One is on its way, a hundred wait.
    expect(results).toEqual(Array(49).fill('dropped'));
    await hook.stop();
    expect(results.slice(49)).toEqual(['failed']);
  });
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { ROTATED, start, type Started } from './server-under-test.js';

const PROXIES = { ranges: [{ address: '127.0.0.1', prefix: 32 }], header: 'x-forwarded-for' };

describe('the access log', () => {
  let started: Started | undefined;
  afterEach(() => started?.server.close(1_000));

  const lines = () =>
    (started?.logged ?? [])
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event }) => event === 'request');

  it('says who asked, and by which id a proxy knows it, though the client has given up meanwhile', async () => {
    let ask = (): void => undefined;
    const asked = new Promise<undefined>((resolve) => (ask = () => resolve(undefined)));
    let answer = (): void => undefined;
    const answered = new Promise<typeof ROTATED>((resolve) => (answer = () => resolve(ROTATED)));
    const refresh = () => {
      ask();
      return answered;
    };
    started = await start({ service: { refresh }, proxies: PROXIES, accessLog: 'all' });
    const client = connect(started.port, '127.0.0.1');
    client.write(
      'POST /account/token/refresh/ HTTP/1.1\r\nHost: x\r\nX-Request-Id: of-the-proxy\r\n' +
        'X-Forwarded-For: 198.51.100.7\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"refresh":"a.b"}',
    );
    await asked;
    client.resetAndDestroy();
    await once(client, 'close');
    // What the server has heard of it by now it has heard before the answer.
    await sleep(100);
    answer();
    await expect.poll(lines).toHaveLength(1);
    expect(lines()).toMatchObject([
      { route: 'refresh', outcome: 'rotated', request_id: 'of-the-proxy', address: '198.51.100.7' },
    ]);
  });
});

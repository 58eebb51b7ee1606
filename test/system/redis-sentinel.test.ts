import { describe, expect, it, onTestFinished } from 'vitest';
import { RedisKeys } from '../../src/cache/partition.js';
import { openRedis, type ScriptClient } from '../../src/cache/redis-client.js';
import { startSentinels, until, type SentinelSetup } from '../support/redis.js';
import { services } from '../support/services.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

describe.skipIf(services().redis === undefined)('a client that asks sentinels for its master', () => {
  const start = async (): Promise<SentinelSetup> => {
    const setup = await startSentinels();
    onTestFinished(() => setup.stop());
    return setup;
  };
  const connect = (ports: readonly number[]): ScriptClient => {
    const client = openRedis({
      address: {
        kind: 'sentinel',
        nodes: ports.map((port) => ({ host: '127.0.0.1', port })),
        path: undefined,
        masterName: 'tokens',
        sentinel: undefined,
        tls: undefined,
        username: undefined,
        password: undefined,
        database: 0,
      },
      keys: new RedisKeys('carelink_tokens'),
      random: Math.random,
      onError: () => undefined,
    });
    onTestFinished(() => client.close());
    return client;
  };
  const untilAnswered = (client: ScriptClient) => until(async () => (await client.exists('any')) === 0);

  it('comes back though it is told of the new one while it asks', async () => {
    const setup = await start();
    const proxies = await Promise.all(setup.sentinels.map(({ port }) => startTcpProxy(port)));
    onTestFinished(async () => {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
    });
    const client = connect(proxies.map(({ port }) => port));
    await untilAnswered(client);
    const old = await setup.master();
    // What it asks from now on has no answer yet; what it has subscribed to goes on.
    for (const proxy of proxies) proxy.holdNew();
    old.kill('SIGKILL');
    await until(() => Promise.resolve(proxies.some(({ held }) => held > 0)));
    await until(async () => (await setup.master()) !== old);
    for (const proxy of proxies) proxy.heal();
    await untilAnswered(client);
    await expect(client.setFor('any', 'written', 1_000)).resolves.toBe('OK');
  });

  it('asks the next one where one has frozen', async () => {
    const setup = await start();
    const [frozen] = setup.sentinels;
    frozen!.kill('SIGSTOP');

    await untilAnswered(connect(setup.sentinels.map(({ port }) => port)));
  });
});

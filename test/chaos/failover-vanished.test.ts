import { describe, expect, it, onTestFinished } from 'vitest';
import { startLoad } from '../support/fleet.js';
import { createUsers } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { issueTokens } from '../support/tokens.js';
import { loggedOut } from './failover-judge.js';
import { Replicated } from './replicated.js';

const { postgresBin, haproxy } = services();
const USERS = 10;
const PATIENCE = { timeout: 60_000, interval: 50 };

describe.skipIf(postgresBin === undefined || haproxy === undefined)(
  'a primary whose machine is gone, so that nothing closes its connections',
  () => {
    it('is left for its successor: statements are given up in their time, and the next host is asked', async () => {
      const pair = await Replicated.start('synchronous', {
        closesSessions: false,
        migrateArgs: ['--notify'],
      });
      onTestFinished(() => pair.stop());
      const ways = await Promise.all(pair.ports.map((port) => startTcpProxy(port)));
      onTestFinished(() => Promise.all(ways.map((way) => way.stop())).then(() => undefined));
      const hosts = ways.map(({ port }) => `127.0.0.1:${port}`).join(',');
      const logins = await issueTokens(pair.url, await createUsers(pair.url, USERS));
      const server = await startServer({
        databaseUrl: `postgres://postgres@${hosts}/postgres`,
        args: ['--request-timeout', '2s'],
      });
      onTestFinished(() => server.stop());
      const load = startLoad({ logins, urls: () => [server.url], twins: 0, pauseMs: 100 });
      const answered = (sinceMs: number) =>
        load.attempts.filter(({ status, sentAtMs }) => status === 200 && sentAtMs > sinceMs);
      await expect.poll(() => answered(0).length, PATIENCE).toBeGreaterThan(4 * USERS);
      // The standby has all that was answered, and the primary answers nobody any more.
      pair.cut();
      ways[0]!.cut();
      await pair.promote();
      const promotedAtMs = Date.now();
      const families = () => new Set(answered(promotedAtMs).map(({ family }) => family)).size;
      await expect.poll(families, PATIENCE).toBe(USERS);
      const backMs = Date.now() - promotedAtMs;
      const changes = async () => {
        const answer = await fetch(`${server.adminUrl}/readyz`);
        return ((await answer.json()) as { checks: Record<string, string> }).checks;
      };
      await expect.poll(changes, PATIENCE).toEqual({ database: 'ok', changes: 'ok' });
      const heardMs = Date.now() - promotedAtMs;
      await load.stop();
      console.log(JSON.stringify({ backMs, heardMs }));
      expect(loggedOut(load.attempts)).toEqual([]);
    });
  },
);

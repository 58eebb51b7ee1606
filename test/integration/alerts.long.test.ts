import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import {
  createSimplejwtTables,
  createUsers,
  query,
  startCluster,
  type Cluster,
} from '../support/postgres.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';

/** A bound against hanging: the slowest of them needs three windows of a minute. */
const PATIENCE_MS = 8 * 60_000;

describe.skipIf(services().postgresBin === undefined)(
  'alerts that take their time, provoked for real',
  () => {
    let cluster: Cluster;
    let server: TestServer;
    let receiver: Server;
    const posted: { event: string; code: string; subject: string }[] = [];
    const told = (event: string) => [
      ...new Set(posted.filter((one) => one.event === event).map(({ code }) => code)),
    ];

    beforeAll(async () => {
      // Every commit waits for a tenth of a second, as on a disk that is at its end.
      cluster = await startCluster({
        settings: { fsync: 'on', commit_delay: '100000', commit_siblings: '0' },
      });
      await createSimplejwtTables(cluster.url);
      await applyMigrations(cluster.url, { createTables: false });
      await query(cluster.url, 'DROP TABLE carelink.cleanup_lease');
      receiver = createServer((request, response) => {
        let text = '';
        request.on('data', (part) => (text += String(part)));
        request.on('end', () => {
          posted.push(JSON.parse(text) as (typeof posted)[number]);
          response.end();
        });
      });
      await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
      server = await startServer({
        databaseUrl: cluster.url,
        args: ['--cleanup-every', '1m'],
        env: { CARELINK_ALERT_WEBHOOK: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/` },
      });
    });
    afterAll(async () => {
      await server.stop();
      receiver.closeAllConnections();
      receiver.close();
      await cluster.stop();
    });

    it('slow commits, a KPI that is missed, a cleanup that fails', async () => {
      let stopped = false;
      const users = await createUsers(cluster.url, 30);
      const tokens = await issueTokens(cluster.url, users, { iatSeconds: Math.floor(Date.now() / 1000) - 1 });
      const load = tokens.map(async ({ token }) => {
        let next = token;
        while (!stopped) {
          const response = await fetch(`${server.url}/account/token/refresh/`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ refresh: next }),
          });
          const body = (await response.json()) as { refresh?: string };
          if (response.status === 200) next = body.refresh!;
          await sleep(5);
        }
      });
      // Its failure is that of the test; without this it would be one that nobody handles as well.
      const loaded = Promise.all(load);
      loaded.catch(() => undefined);
      const codes = ['CLEANUP_FAILED', 'KPI_MISSED', 'SLOW_COMMITS'];
      await until(
        () => codes.every((code) => told('raised').includes(code)),
        () => `only ${told('raised').join(', ')}`,
      );
      expect(posted.filter(({ code }) => code === 'KPI_MISSED').map(({ subject }) => subject)).toContain(
        'refresh_duration',
      );
      const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
      for (const code of codes) {
        expect(metrics).toMatch(new RegExp(`^carelink_alert_active\\{code="${code}"\\} [1-9]$`, 'm'));
        expect(server.output()).toContain(`"alert":"${code}"`);
      }
      await query(cluster.url, 'ALTER SYSTEM RESET commit_delay');
      await query(cluster.url, 'SELECT pg_reload_conf()');
      await until(
        () => told('cleared').includes('SLOW_COMMITS'),
        () => `cleared: ${told('cleared').join(', ')}`,
      );
      stopped = true;
      await loaded;
    });
  },
);

async function until(holds: () => boolean, otherwise: () => string): Promise<void> {
  const giveUpMs = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > giveUpMs) throw new Error(otherwise());
    await sleep(500);
  }
}

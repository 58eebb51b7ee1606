/** `bench` drives each policy; what `off` costs the database, by PostgreSQL's own count. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../cli/run.js';
import type { Row } from '../cli/bench-world.js';
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
import { TEST_SIGNING_KEY } from '../support/tokens.js';

type Policy = 'on' | 'off' | 'keep' | 'offered';

interface Report {
  readonly verdict: string;
  readonly because: string;
  readonly kpis: readonly (Row & { readonly note?: string })[];
  readonly counts: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
  readonly throughput: { readonly per_second: number };
}

const OF_SPENDING = ['concurrent_refresh', 'cache_hit', 'background'];

describe.skipIf(services().postgresBin === undefined)('bench, by the policy of the server', () => {
  let cluster: Cluster;
  const servers = new Map<Policy, TestServer>();

  beforeAll(async () => {
    cluster = await startCluster({
      settings: { shared_preload_libraries: 'pg_stat_statements', fsync: 'on', max_connections: '100' },
    });
    await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
    await createSimplejwtTables(cluster.url);
    await createUsers(cluster.url, 100);
    await applyMigrations(cluster.url, { createTables: false });
    for (const policy of ['on', 'off', 'keep', 'offered'] as const)
      servers.set(policy, await startServer({ databaseUrl: cluster.url, args: ['--rotation', policy] }));
  });
  afterAll(async () => {
    await Promise.all([...servers.values()].map((server) => server.stop()));
    await cluster.stop();
  });

  async function bench(policy: Policy, ...flags: string[]): Promise<Report> {
    const { url, adminUrl } = servers.get(policy)!;
    const load = ['--users', '100', '--duration', '2s', '--warmup', '300ms', '--duplicates', '0'];
    const { stdout, stderr } = await run(
      ['bench', url, '--admin-url', adminUrl, '--rotation', policy, ...load, '--json', ...flags],
      { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY },
    );
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as Report;
  }

  test.each(['on', 'off', 'keep', 'offered'] as const)(
    '%s: every answer is counted, and only what the policy has is measured',
    async (policy) => {
      const report = await bench(policy);
      const { successes, refreshes, forks, rotated_by_server } = report.counts;
      expect(report.errors).toEqual({});
      expect(successes).toBeGreaterThan(200);
      expect([successes, rotated_by_server, forks]).toEqual([refreshes, refreshes, 0]);
      const unmeasured = report.kpis.filter(({ verdict }) => verdict === 'unmeasured');
      const spends = policy === 'on' || policy === 'offered';
      // On a busy machine the time may be excused.
      expect(unmeasured.map(({ id }) => id).filter((id) => id !== 'refresh_duration')).toEqual(
        spends ? [] : OF_SPENDING,
      );
      for (const { id, note } of unmeasured)
        if (OF_SPENDING.includes(id)) expect(note).toBe(`--rotation ${policy} spends no token`);
      expect(report.because).not.toMatch(/Unmeasured: (?!refresh duration)/);
    },
  );

  test('off sends one statement a group and writes nothing, by pg_stat_statements', async () => {
    const groups = async () => {
      const metrics = await (await fetch(`${servers.get('off')!.adminUrl}/metrics`)).text();
      return Number(/^carelink_group_commit_batch_size_count (\d+)/m.exec(metrics)![1]);
    };
    const before = await groups();
    await query(cluster.url, 'SELECT pg_stat_statements_reset()');
    const off = await bench('off');
    const sent = await query<{ calls: number; query: string }>(
      cluster.url,
      `SELECT calls::int AS calls, query FROM pg_stat_statements
        WHERE query ~ 'token_blacklist|auth_user|revoked_before' AND query ~ 'unnest'`,
    );
    expect(
      sent
        .map(({ query: text }) => text)
        .join()
        .match(/\b(INSERT|UPDATE|DELETE|SHARE)\b/i),
    ).toBeNull();
    const calls = sent.reduce((sum, one) => sum + one.calls, 0);
    expect(calls).toBe((await groups()) - before);
    expect(calls).toBeLessThan(off.counts['refreshes']! / 2);
  });
});

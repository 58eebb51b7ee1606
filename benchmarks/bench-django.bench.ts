/** bench against Django alone, and this server against Django on the same tables, in one command each. */
import { expect, it } from 'vitest';
import { startDjango } from '../test/support/django.js';
import { query, startCluster } from '../test/support/postgres.js';
import { startServer } from '../test/support/server.js';
import { runBenchCommand } from './support/bench-command.js';
import { migrateDatabase } from './support/migrate.js';

const USERS = 100;

/** Of the JSON report. */
interface KpiRow {
  readonly id: string;
  readonly measured: number | null;
  readonly samples: number;
  readonly source: string;
  readonly verdict: string;
}

it('a foreign server, and two in turn', async () => {
  const cluster = await startCluster({ settings: { fsync: 'on', max_connections: '200' } });
  const django = await startDjango({ database: cluster.url, workers: 4, threads: 8 });
  await migrateDatabase(cluster.url);
  await django.bulkMint({ users: USERS });
  const [user] = await query<{ first: number }>(cluster.url, 'SELECT min(id)::int AS first FROM auth_user');
  const ids = ['--first-user-id', String(user!.first), '--users', String(USERS)];
  const server = await startServer({ databaseUrl: cluster.url });
  try {
    const alone = await runBenchCommand([django.url, ...ids, '--duration', '6s', '--warmup', '1s']);
    const { report } = alone;
    console.log('Django alone: exit', alone.code, report.verdict, report.because);
    console.table(
      report.kpis.map(({ id, measured, source, verdict }: KpiRow) => ({ id, measured, source, verdict })),
    );
    console.log(JSON.stringify({ counts: report.counts, errors: report.errors, latency: report.latency }));
    expect(report.kpis.slice(1).every(({ verdict }: KpiRow) => verdict === 'unmeasured')).toBe(true);

    const args = [server.url, '--admin-url', server.adminUrl, '--vs', django.url, ...ids];
    const both = await runBenchCommand([...args, '--duration', '12s', '--warmup', '2s']);
    console.log('against Django: exit', both.code, both.report.verdict, both.report.because);
    console.log(
      JSON.stringify({
        ...both.report.comparison,
        ours: both.report.throughput,
        mean: both.report.latency.mean_ms,
      }),
    );
    console.table(
      both.report.kpis.map(({ id, measured, samples, verdict }: KpiRow) => ({
        id,
        measured,
        samples,
        verdict,
      })),
    );
  } finally {
    await server.stop();
    await django.stop();
    await cluster.stop();
  }
});

import { query, type Cluster } from '../../test/support/postgres.js';
import type { TestServer } from '../../test/support/server.js';
import { cpuUs, treeCpuUs } from './cpu.js';

/** What some work cost, by what other work on the machine hardly changes. */
export interface Cost {
  /** User and system time of the server's process. */
  readonly serverMs: number;
  /** The same of PostgreSQL's, all of its processes. */
  readonly databaseMs: number;
  /** As pg_stat_statements counts them. */
  readonly statements: number;
  readonly executionMs: number;
  /** The longest that the server's event loop came late. */
  readonly longestPauseMs: number;
}

/** Measures work that nothing else in the cluster or the server goes on beside. */
export async function costOf(
  { url, pid }: Pick<Cluster, 'url' | 'pid'>,
  server: TestServer,
  work: () => Promise<unknown>,
): Promise<Cost> {
  await longestPauseMs(server.adminUrl);
  await query(url, 'SELECT pg_stat_statements_reset()');
  const before = { server: cpuUs(server.pid), database: treeCpuUs(pid) };
  await work();
  const after = { server: cpuUs(server.pid), database: treeCpuUs(pid) };
  const [row] = await query<{ calls: number; ms: number }>(
    url,
    `SELECT coalesce(sum(calls), 0)::int AS calls, coalesce(sum(total_exec_time), 0)::float8 AS ms FROM pg_stat_statements
      WHERE query !~* 'pg_stat_statements|DISCARD'`,
  );
  return {
    serverMs: (after.server - before.server) / 1_000,
    databaseMs: (after.database - before.database) / 1_000,
    statements: row?.calls ?? 0,
    executionMs: row?.ms ?? 0,
    longestPauseMs: await longestPauseMs(server.adminUrl),
  };
}

/** Since it was asked last; a probe of 10 ms, which is part of it. */
async function longestPauseMs(adminUrl: string): Promise<number> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  return (
    1_000 * Number(/^nodejs_eventloop_lag_max_seconds(?:\{[^}]*\})? ([\d.e-]+)/m.exec(metrics)?.[1] ?? NaN)
  );
}

/** Presents each token once, so many at the same time, until it is answered other than "later"; how many asked again. */
export async function presentOnce(
  url: string,
  tokens: readonly string[],
  connections: number,
): Promise<number> {
  let next = 0;
  let again = 0;
  const one = async (): Promise<void> => {
    for (let token = tokens[next++]; token !== undefined; token = tokens[next++]) {
      for (;;) {
        const body = JSON.stringify({ refresh: token });
        const headers = { 'content-type': 'application/json' };
        const response = await fetch(url, { method: 'POST', headers, body });
        await response.arrayBuffer();
        if (response.status !== 503) break;
        again++;
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, one));
  return again;
}

/**
 * What a shadow adds to a request: the same request directly and through a shadow, in turn, at a fixed rate, so that a slow
 * moment of the machine falls on both. In front of a server that answers at once, where only the way is measured, and in
 * front of Django under gunicorn. The target: at most 1 ms more at the p99.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { endWithUs } from '../test/support/end-with-us.js';
import { startDjango, type Django } from '../test/support/django.js';
import { startCluster, type Cluster } from '../test/support/postgres.js';
import { services } from '../test/support/services.js';
import { startShadow } from '../test/support/shadow.js';
import { migrateDatabase } from './support/migrate.js';

const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 20);
/** Pairs a second: far below what Django can do, or its queue would be measured. */
const RATE = Number(process.env['BENCH_RATE'] ?? 60);
const WARM_UP_SECONDS = 3;
const RIGHT = ['--simplejwt-compat', '5.2', '--user-check', 'off'];

describe.skipIf(services().postgresBin === undefined || !services().django)('a shadow', () => {
  let cluster: Cluster;
  let django: Django;
  let instant: { readonly url: string; readonly stop: () => void };

  beforeAll(async () => {
    cluster = await startCluster({ settings: { max_connections: '200' } });
    django = await startDjango({ database: cluster.url, workers: 2, threads: 8 });
    await migrateDatabase(cluster.url);
    instant = await startInstant();
  });
  afterAll(async () => {
    instant.stop();
    await django.stop();
    await cluster.stop();
  });

  it.each(['a server that answers at once', 'Django'])('in front of %s', async (name) => {
    const upstream = name === 'Django' ? django.url : instant.url;
    const shadow = await startShadow(upstream, { databaseUrl: cluster.url, args: RIGHT });
    try {
      // verify/ is judged by a look at the rows, and leaves nothing behind.
      const { refresh } = await django.mint(await django.makeUser());
      await alternate(upstream, shadow.url, refresh, WARM_UP_SECONDS);
      const { direct, through } = await alternate(upstream, shadow.url, refresh, SECONDS);
      console.log(`in front of ${name}: ${direct.length} requests on each way, ${RATE}/s`);
      console.table(
        [0.5, 0.9, 0.99].map((share) => {
          const [without, with_] = [quantile(direct, share), quantile(through, share)];
          return {
            quantile: share,
            'direct ms': without.toFixed(3),
            'through ms': with_.toFixed(3),
            'more ms': (with_ - without).toFixed(3),
          };
        }),
      );
      const { requests } = await shadow.report();
      console.log(JSON.stringify(requests));
    } finally {
      await shadow.stop();
    }
  });
});

/** A process of its own, as Django is: both ways lead to another process. */
async function startInstant(): Promise<{ url: string; stop: () => void }> {
  const script = fileURLToPath(new URL('./support/instant-server.mjs', import.meta.url));
  const child = endWithUs(spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] }));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { url } = JSON.parse(line.toString()) as { url: string };
  return { url, stop: () => void child.kill() };
}

/** Each way once in every period, which of them first in turn; none waits for the other. */
async function alternate(directUrl: string, throughUrl: string, token: string, seconds: number) {
  const direct: number[] = [];
  const through: number[] = [];
  const under: Promise<void>[] = [];
  const one = async (url: string, into: number[]) => {
    const startedMs = performance.now();
    const answer = await request(`${url}/account/token/verify/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
      dispatcher: agent,
    });
    await answer.body.dump();
    into.push(performance.now() - startedMs);
  };
  const startMs = performance.now();
  for (let n = 0; n < seconds * RATE; n++) {
    const ways = [() => one(directUrl, direct), () => one(throughUrl, through)];
    if (n % 2 === 1) ways.reverse();
    for (const [half, way] of ways.entries()) {
      const dueMs = startMs + ((n + half / 2) / RATE) * 1000;
      await sleep(Math.max(0, dueMs - performance.now()));
      under.push(way());
    }
  }
  await Promise.all(under);
  return { direct, through };
}

const agent = new Agent({ connections: 16, pipelining: 1 });

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? NaN;
}

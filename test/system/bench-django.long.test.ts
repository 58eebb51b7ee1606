/** Tokens for `bench` out of a real Django, and what a run leaves behind. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { run } from '../cli/run.js';
import { startDjango } from '../support/django.js';
import { query, startCluster } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';

const { postgresBin, django: djangoThere } = services();

it.skipIf(postgresBin === undefined || !djangoThere)(
  'manage.py bench_tokens makes tokens that Django and the server take; the run says what it leaves; --end leaves none that lives',
  async () => {
    const cluster = await startCluster({ settings: { max_connections: '60' } });
    onTestFinished(() => cluster.stop());
    const django = await startDjango({ database: cluster.url });
    onTestFinished(() => django.stop());
    await applyMigrations(cluster.url, { createTables: false });
    const server = await startServer({ databaseUrl: cluster.url });
    onTestFinished(() => server.stop());
    const directory = mkdtempSync(join(tmpdir(), 'carelink-bench-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const bench = async (url: string, users: number) => {
      const tokens = join(directory, 'tokens.txt');
      writeFileSync(tokens, await django.manage('bench_tokens', String(users)));
      const load = ['--users', String(users), '--duration', '1s', '--warmup', '0s', '--duplicates', '0'];
      const out = join(directory, 'out.json');
      const { stdout, stderr } = await run([
        'bench',
        url,
        '--tokens',
        tokens,
        ...load,
        '--kpis',
        'refresh_duration',
        '--out',
        out,
      ]);
      if (stdout === '') throw new Error(stderr);
      return stdout;
    };
    // simplejwt 5.2 records no successor: here only that it takes them.
    expect(await bench(`${django.url}/account/token/refresh/`, 2)).toContain('errors     none');

    const live = async () => {
      const [row] = await query<{ live: number; spent: number }>(
        cluster.url,
        `SELECT count(*) FILTER (WHERE b.id IS NULL)::int AS live, count(b.id)::int AS spent
           FROM token_blacklist_outstandingtoken o
           JOIN auth_user u ON u.id = o.user_id AND u.username LIKE 'carelink-bench-%'
           LEFT JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
          WHERE o.expires_at > now()`,
      );
      return row!;
    };
    const before = await live();
    const text = await bench(server.url, 10);
    const after = await live();
    const [, told, rows] =
      /^left behind (\d+) refresh tokens of the users whose tokens were given[^]*up to (\d+) rows/m.exec(
        text,
      ) ?? [];
    expect(Number(told)).toBe(10);
    expect(after.live - before.live).toBe(10);
    expect(Number(rows)).toBe(after.spent - before.spent);

    const tip = (
      await query<{ token: string }>(
        cluster.url,
        'SELECT token FROM token_blacklist_outstandingtoken ORDER BY id DESC LIMIT 1',
      )
    )[0]!.token;
    await django.manage('bench_tokens', '--end');
    expect((await live()).live).toBe(0);
    const refused = await fetch(`${server.url}/account/token/refresh/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh: tip }),
    });
    expect(refused.status).toBe(401);
  },
);

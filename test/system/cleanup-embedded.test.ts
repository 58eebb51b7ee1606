import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanUp, sharedCleanupSession, type CleanupEvent, type Summary } from '../../src/cleanup/index.js';
import { serveSettings } from '../../src/config/serve-settings.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { createLog } from '../../src/observe/log.js';
import { startEmbedded } from '../../src/store/embedded.js';
import { PgDatabase } from '../../src/store/pool.js';
import { EMBEDDED_WORKER, embeddedDirectory } from '../support/embedded-directory.js';
import { services } from '../support/services.js';
import { census, cleanupWorld, fill, PLAIN } from '../integration/cleanup-support/world.js';

/** The built one, for the embedded PostgreSQL starts in a worker thread. */
const { startServing } = (await import(
  new URL('../../dist/compose/start-serving.js', import.meta.url).href
)) as typeof import('../../src/compose/start-serving.js');

/** Cleans up every so often, which no option would let it. */
async function serving(flags: Record<string, string>, everyMs: number) {
  const { cleanup, ...settings } = serveSettings(
    { port: '0', 'admin-port': '0', 'cleanup-every': '1h', ...flags },
    {
      // The embedded database has a key of its own.
      env: 'database-url' in flags ? { CARELINK_SIGNING_KEY: 'k'.repeat(64) } : {},
      cwd: '/',
      readFile: () => '',
    },
  );
  let said = '';
  const log = createLog({ level: 'info', destination: { write: (line: string) => void (said += line) } });
  const server = await startServing({ ...settings, cleanup: { ...cleanup!, nice: 0, everyMs } }, log);
  return { server, log: () => said };
}

/** Waits until the metrics say so; the test's own limit ends it. */
async function untilMetrics(adminUrl: string, ...lines: (string | RegExp)[]): Promise<string> {
  for (;;) {
    const text = await (await fetch(`${adminUrl}/metrics`)).text();
    const says = (line: string | RegExp) =>
      typeof line === 'string' ? text.includes(`${line}\n`) : line.test(text);
    if (lines.every(says)) return text;
    await sleep(50);
  }
}

describe('serve --cleanup-every with the embedded PostgreSQL', () => {
  let dataDir: string;
  const onEmbedded = async <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const embedded = await startEmbedded({ dataDir, workerUrl: EMBEDDED_WORKER });
    await applyMigrations(embedded.connection, { createTables: true });
    const client = new pg.Client(embedded.connection);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
      await embedded.stop();
    }
  };
  beforeAll(async () => {
    dataDir = await embeddedDirectory('cleanup');
    await onEmbedded((client) =>
      fill(
        async <Row extends object>(text: string, values?: unknown[]) =>
          (await client.query<Row>(text, values)).rows,
        { expired: 12_000, live: 100 },
      ),
    );
  });
  afterAll(() => rmSync(dataDir, { recursive: true }));

  it('removes what has expired beside its refreshes, vacuums, and counts it', async () => {
    const { server, log } = await serving({ 'data-dir': dataDir }, 200);
    const refreshed = await fetch(`${server.publicUrl}/account/token/refresh/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh: server.embedded!.sampleRefreshToken }),
    });
    expect(refreshed.status).toBe(200);
    await untilMetrics(
      server.adminUrl,
      'carelink_cleanup_deleted_total 12000',
      'carelink_cleanup_backlog_rows 0',
    );
    await server.stop();
    expect(log()).toContain('"event":"cleaned_up"');
    expect(log()).not.toContain('cleanup_failed');
    const [left] = await onEmbedded(
      async (client) =>
        (
          await client.query(
            `SELECT reltuples::int AS rows,
                    (SELECT count(*)::int FROM token_blacklist_outstandingtoken WHERE expires_at < now()) AS expired
               FROM pg_class WHERE relname = 'token_blacklist_outstandingtoken'`,
          )
        ).rows as { rows: number; expired: number }[],
    );
    expect(left!.expired).toBe(0);
    // A VACUUM has counted it: a hundred, and the pair of the refresh.
    expect(left!.rows).toBeLessThan(200);
  });
});

describe.skipIf(services().postgres === undefined)('serve --cleanup-every on a PostgreSQL', () => {
  const world = cleanupWorld();

  it('removes what has expired, again and again, and shows backlog and count on /metrics', async () => {
    const { sql, url } = world();
    await fill(sql, { expired: 2_000, live: 100 });
    const { server } = await serving({ 'database-url': url }, 200);
    await untilMetrics(
      server.adminUrl,
      'carelink_cleanup_deleted_total 2000',
      'carelink_cleanup_backlog_rows 0',
    );
    await sql(
      `INSERT INTO token_blacklist_outstandingtoken (token, expires_at, jti) VALUES ('later', now() - interval '8 days', 'later')`,
    );
    const metrics = await untilMetrics(server.adminUrl, 'carelink_cleanup_deleted_total 2001');
    expect(metrics).toMatch(/carelink_db_statements_total\{purpose="cleanup"\} \d+/);
    expect(await census(sql)).toMatchObject({ orphans: 0, expired: 0, live: 100 });
    await server.stop();
  });

  it('shows what is left while another one cleans up, and when that is done', async () => {
    const { sql, url, session } = world();
    await fill(sql, { expired: 150, live: 100 });
    let other: Promise<Summary> | undefined;
    await new Promise<void>((started) => {
      // It rests so long after each batch that it is at work for seconds.
      const onEvent = ({ event }: CleanupEvent) => event === 'started' && started();
      other = cleanUp(session, { ...PLAIN, batchSize: 10, nice: 30, onEvent });
    });
    const { server } = await serving({ 'database-url': url }, 500);
    await untilMetrics(server.adminUrl, /^carelink_cleanup_backlog_rows ([1-9]|1?\d\d)$/m);
    expect((await other)?.ended).toBe('done');
    const metrics = await untilMetrics(server.adminUrl, /^carelink_cleanup_backlog_rows 0$/m);
    expect(metrics).toMatch(/^carelink_cleanup_deleted_total 0$/m);
    await server.stop();
  });

  it('finishes its batch when the server is stopped', async () => {
    const { sql, url } = world();
    await fill(sql, { expired: 20_000, live: 0 });
    const { server, log } = await serving({ 'database-url': url }, 100);
    while (
      !/carelink_cleanup_deleted_total [1-9]/.test(await (await fetch(`${server.adminUrl}/metrics`)).text())
    ) {
      await sleep(5);
    }
    await server.stop();
    expect(log()).toContain('"event":"cleaned_up"');
    expect((await census(sql)).orphans).toBe(0);
    const [lease] = await sql<{ owner: string | null }>('SELECT owner FROM carelink.cleanup_lease');
    expect(lease!.owner).toBeNull();
  });

  it('gives a VACUUM the time it takes, on a pool whose other statements have little', async () => {
    const database = new PgDatabase({
      connection: world().url,
      size: 1,
      statementTimeoutMs: 200,
      connectTimeoutMs: 5_000,
      applicationName: 'test',
      onStatement: () => undefined,
      onIdleError: () => undefined,
    });
    const session = sharedCleanupSession(database);
    const slow = 'SELECT 1 AS one FROM pg_sleep(0.6)';
    await expect(session.query(slow)).rejects.toThrow();
    expect(await session.slowly(slow)).toEqual([{ one: 1 }]);
    // The same connection, with the limit of the pool again.
    expect(await session.query('SHOW statement_timeout')).toEqual([{ statement_timeout: '200ms' }]);
    await database.end();
  });
});

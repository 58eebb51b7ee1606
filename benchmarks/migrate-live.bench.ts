/**
 * What 300 refreshes a second through `serve` feel of index builds on 1,000,000 rows: those of `migrate`, and plain
 * CREATE INDEX statements for the same indexes afterwards. One server, one stream of requests, one table.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createSimplejwtTables,
  createUsers,
  type FreshDatabase,
  freshDatabase,
  query,
} from '../test/support/postgres.js';
import { BIN, startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { issueTokens } from '../test/support/tokens.js';
import { median } from './support/load.js';
import { type Felt, feltBetween, startOpenLoad } from './support/open-load.js';

const ROWS = Number(process.env['BENCH_ROWS'] ?? 1_000_000);
const RATE = Number(process.env['BENCH_RATE'] ?? 300);
const QUIET_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 15);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const USERS = 3_000;

/** What must hold. */
const MAX_P99_RATIO = 3;
const MAX_STALL_MS = 250;

const INDEXES = {
  idx_refresh_token_user_created: 'token_blacklist_outstandingtoken (user_id, created_at)',
  idx_blacklisted_token_created: 'token_blacklist_blacklistedtoken (blacklisted_at)',
  idx_outstanding_token_expires: 'token_blacklist_outstandingtoken (expires_at, id)',
};

describe.skipIf(services().postgres === undefined)('index builds beside live traffic', () => {
  let database: FreshDatabase;
  let server: TestServer | undefined;
  let tokens: string[];
  beforeAll(async () => {
    database = await freshDatabase();
    await createSimplejwtTables(database.url);
    const users = await createUsers(database.url, USERS);
    await fill(database.url);
    tokens = (await issueTokens(database.url, users)).map(({ token }) => token);
    await query(database.url, 'VACUUM ANALYZE');
    // Else the loading of the table is still being written to disk beside what is measured: one checkpoint's fsync of
    // it stopped every commit for 220 ms (seen as IO:DataFileSync against IO:WALSync in pg_stat_activity).
    await query(database.url, 'CHECKPOINT');
    // The server needs our schema; the indexes come while it works.
    await migrate('up', 'carelink_schema');
    server = await startServer({ databaseUrl: database.url });
  });
  afterAll(async () => {
    await server?.stop();
    await database.drop();
  });

  const migrate = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)(process.execPath, [BIN, 'migrate', ...args, '--database-url', database.url]))
      .stdout;

  it(`${RATE} refreshes a second on ${ROWS.toLocaleString('en-US')} rows`, async () => {
    const load = startOpenLoad(`${server!.url}/account/token/refresh/`, tokens, RATE);
    const spans: [what: string, fromMs: number, toMs: number][] = [];
    const during = async (what: string, work: () => Promise<unknown>): Promise<void> => {
      const fromMs = performance.timeOrigin + performance.now();
      await work();
      spans.push([what, fromMs, performance.timeOrigin + performance.now()]);
      await sleep(2_000);
    };
    const nothing = () => sleep(QUIET_SECONDS * 1000);
    const validIndexes = () =>
      query(database.url, "SELECT FROM pg_index WHERE indisvalid AND indexrelid::regclass::text ~ '^idx_'");

    await sleep(5_000);
    for (let round = 1; round <= ROUNDS; round++) {
      await during('before', nothing);
      await during('migrate up', () => migrate('up'));
      expect(await validIndexes()).toHaveLength(3);
      await during('afterwards', nothing);
      await during('migrate down', () => migrate('down', ...Object.keys(INDEXES)));
    }
    await during('before the plain ones', nothing);
    await during('CREATE INDEX', async () => {
      for (const [name, what] of Object.entries(INDEXES))
        await query(database.url, `CREATE INDEX ${name} ON ${what}`);
    });
    const samples = await load.stop();

    const felt = spans.map(([what, from, to]) => ({
      what,
      lengthMs: to - from,
      ...feltBetween(samples, from, to),
    }));
    console.table(felt.map(row));
    const of = (wanted: string) => felt.filter(({ what }) => what === wanted);
    const builds = of('migrate up');
    // A build lasts some seconds, of which a hundredth is a dozen requests: each is held against the quiet before it.
    const ratios = of('before').map((before, round) => builds[round]!.p99Ms / before.p99Ms);
    console.log(
      `p99 during migrate up / before, by round: ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}, ` +
        `median ${median(ratios).toFixed(2)}; longest stall ${Math.max(...builds.map(({ stallMs }) => stallMs)).toFixed(0)} ms`,
    );
    for (const { what, failed } of felt) if (what !== 'CREATE INDEX') expect(failed).toBe(0);
    for (const ratio of ratios) expect(ratio).toBeLessThanOrEqual(MAX_P99_RATIO);
    for (const { maxMs, stallMs } of builds) expect(Math.max(maxMs, stallMs)).toBeLessThan(MAX_STALL_MS);
  });
});

function row({
  what,
  lengthMs,
  requests,
  failed,
  p50Ms,
  p99Ms,
  maxMs,
  stallMs,
}: Felt & { what: string; lengthMs: number }) {
  const ms = (value: number) => Number(value.toFixed(1));
  const seconds = Number((lengthMs / 1000).toFixed(1));
  return {
    what,
    seconds,
    requests,
    failed,
    p50: ms(p50Ms),
    p99: ms(p99Ms),
    slowest: ms(maxMs),
    stall: ms(stallMs),
  };
}

/** Ten days of a site whose tokens live for twelve hours, most of them rotated. */
async function fill(url: string): Promise<void> {
  await query(
    url,
    `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
     SELECT repeat('x', 220), at, at + interval '12 hours', 1 + n % ${USERS}, md5(n::text)
       FROM (SELECT n, now() - interval '10 days' + n * interval '10 days' / ${ROWS} AS at
               FROM generate_series(1, ${ROWS}) AS n) AS moments`,
  );
  await query(
    url,
    `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
     SELECT created_at + interval '14 minutes', id FROM token_blacklist_outstandingtoken WHERE id % 10 < 8`,
  );
}

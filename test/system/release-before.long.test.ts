/**
 * The release before and this one with all that is new left off: the same number of statements for the same requests, of
 * the same text but for three things in which the releases differ by decision, and the same bytes in every token.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../chaos/migrate.js';
import { buildEarlierRelease, hasEarlierRelease } from '../support/earlier-release.js';
import {
  createSimplejwtTables,
  createUsers,
  query,
  startCluster,
  type Cluster,
} from '../support/postgres.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { cleanEnvironment, startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken, issueTokens } from '../support/tokens.js';

const ready = services().postgresBin !== undefined && services().redis !== undefined && hasEarlierRelease();

interface Statement {
  readonly query: string;
  readonly calls: number;
}

/** How a token's row lives as long as the token (decisions/0022): the one thing that the texts have more. */
const ROW_DATE = /outlived|expires_at|\b(next_)?exp\b|\buntil\b|\bkept\b|bigint\[\]/;

/** What a claim answers (decisions/0031): the same columns, of which a claim that was won has no use for most. */
const CLAIM_ANSWER: ReadonlySet<string> = new Set([
  'SELECT j.n::int AS n, c.token_id IS NOT NULL AS won, s.id AS next_id',
  'CASE WHEN j.n = $ THEN (extract($ FROM clock_timestamp()) * $)::bigint END AS now_us',
  'CASE WHEN c.token_id IS NULL THEN j.active END AS active, CASE WHEN c.token_id IS NULL THEN j.revoked END AS revoked',
  'CASE WHEN c.token_id IS NULL THEN j.id END AS id',
  'CASE WHEN c.token_id IS NULL THEN j.ahead END AS ahead',
]);

describe.skipIf(!ready)('beside the release before', () => {
  let earlier: ReturnType<typeof buildEarlierRelease>;
  let cluster: Cluster;
  let redis: RedisServer;
  beforeAll(async () => {
    earlier = buildEarlierRelease();
    cluster = await startCluster({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
    await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
    await createSimplejwtTables(cluster.url);
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis.stop();
    await cluster.stop();
    earlier.remove();
  });

  // In this order: the schema is never taken back.
  describe.each(['the release before', 'this release'])('on the schema of %s', (schema) => {
    beforeAll(async () => {
      if (schema === 'this release') await migrate(cluster.url, ['--notify']);
      else {
        const args = [earlier.bin, 'migrate', '--json', '--database-url', cluster.url, '--notify'];
        execFileSync(process.execPath, args, { env: cleanEnvironment(), stdio: 'pipe' });
      }
    });

    it.each(['sync', 'async'])('sends the same statements and makes the same bytes: %s', async (mode) => {
      const args = ['--reuse-grace', '30s', '--blacklist', mode];
      if (mode === 'async') args.push('--redis-url', `redis://127.0.0.1:${redis.port}`);
      const options = { databaseUrl: cluster.url, args };
      const then = await startServer({ ...options, bin: earlier.bin });
      const now = await startServer(options);
      try {
        // What is made from a second after its start on is claimed in Redis.
        await sleep(1_500);
        // One after the other, each for the first time: what was parsed before it was counted keeps its numbers.
        const before = await refreshesOf(then);
        const after = await refreshesOf(now);
        const sent = { then: before.sent, now: after.sent };
        expect(sent.now.map(({ calls }) => calls)).toEqual(sent.then.map(({ calls }) => calls));
        expect(sent.now.length).toBeGreaterThan(2);
        for (const [at, { query: text }] of sent.now.entries()) {
          const old = new Set(linesOf(sent.then[at]!.query));
          const added = linesOf(text).filter((line) => !old.has(line) && !ROW_DATE.test(line));
          expect(added.filter((line) => !CLAIM_ANSWER.has(line))).toEqual([]);
        }
        // A repeat at the other release: the very same bytes.
        expect(await refresh(now, before.last.token)).toBe(before.last.pair);
        expect(await refresh(then, after.last.token)).toBe(after.last.pair);
      } finally {
        await Promise.all([then.stop(), now.stop()]);
      }
    });
  });

  it('goes on with a session that says when it began; the tokens of this release end with it, whoever was in between', async () => {
    const args = ['--reuse-grace', '30s'];
    const then = await startServer({ databaseUrl: cluster.url, args, bin: earlier.bin });
    const now = await startServer({ databaseUrl: cluster.url, args: [...args, '--session-lifetime', '1h'] });
    try {
      const [login] = await issueTokens(cluster.url, await createUsers(cluster.url, 1));
      const start = login!.iatSeconds;
      const next = async (server: TestServer, token: string) =>
        (JSON.parse(await refresh(server, token)) as { refresh: string }).refresh;
      const claimsOf = (token: string) => decodeToken(token).claims;
      const first = await next(now, login!.token);
      expect(claimsOf(first)).toMatchObject({ carelink_start: start, exp: start + 3_600 });
      // A repeat there: the row's token, whatever that release knows of it.
      expect(await next(then, login!.token)).toBe(first);
      const second = await next(then, first);
      expect(claimsOf(second)['carelink_start']).toBe(start);
      expect(claimsOf(await next(now, second))).toMatchObject({ carelink_start: start, exp: start + 3_600 });
    } finally {
      await Promise.all([then.stop(), now.stop()]);
    }
  });

  /** A log-in, its refreshes, and a repeat of the last one. */
  async function refreshesOf(server: TestServer) {
    const [login] = await issueTokens(cluster.url, await createUsers(cluster.url, 1));
    await query(cluster.url, 'SELECT pg_stat_statements_reset()');
    let last = { token: login!.token, pair: await refresh(server, login!.token) };
    for (let n = 0; n < 3; n++) {
      const { refresh: token } = JSON.parse(last.pair) as { refresh: string };
      last = { token, pair: await refresh(server, token) };
    }
    expect(await refresh(server, last.token)).toBe(last.pair);
    return { last, sent: await sentByNow() };
  }

  /**
   * What refreshes send, in the order of their texts. The checks of foreign keys are PostgreSQL's own; `picked` is what a
   * server reads of the newest rows soon after its start.
   */
  async function sentByNow(): Promise<readonly Statement[]> {
    const all = await query<Statement>(
      cluster.url,
      `SELECT query, calls::int AS calls FROM pg_stat_statements
        WHERE query ~ 'token_blacklist' AND query !~ 'FOR KEY SHARE|pg_stat_statements|WITH picked'`,
    );
    return all.sort((a, b) => (linesOf(a.query).join() < linesOf(b.query).join() ? -1 : 1));
  }
});

/** Without the numbers of parameters, and without the schema's name: all are qualified since. */
function linesOf(text: string): string[] {
  return text
    .replace(/\$\d+/g, '$')
    .replaceAll('public.', '')
    .split('\n')
    .map((line) => line.trim().replace(/,$/, ''));
}

async function refresh({ url }: TestServer, token: string): Promise<string> {
  const reply = await fetch(`${url}/account/token/refresh/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ refresh: token }),
  });
  const body = await reply.text();
  expect({ status: reply.status, body }).toMatchObject({ status: 200 });
  return body;
}

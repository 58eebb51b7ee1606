/**
 * What throttles cost and whom they hit, as PostgreSQL itself counts statements: a client in a loop costs the database nothing,
 * and a whole hospital behind one address is never throttled.
 */
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../chaos/migrate.js';
import {
  createSimplejwtTables,
  createUsers,
  query,
  startCluster,
  type Cluster,
} from '../support/postgres.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { insertOutstanding, issueTokens, mintRefresh, type MintedToken } from '../support/tokens.js';

const RATE = 5;
const SHIFT = 2_000;
/** Far below what one process answers at a time: nobody is to be refused for another reason than its rate. */
const CONNECTIONS = 32;

interface Answer {
  readonly status: number;
  readonly code: unknown;
  readonly retryAfter: number;
  readonly refresh: string | undefined;
}

describe.skipIf(services().postgresBin === undefined)('throttles', () => {
  let cluster: Cluster;
  let server: TestServer;
  const agent = new Agent({ connections: CONNECTIONS, pipelining: 1 });

  beforeAll(async () => {
    cluster = await startCluster({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
    await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
    await createSimplejwtTables(cluster.url);
    await migrate(cluster.url);
    server = await startServer({
      databaseUrl: cluster.url,
      args: ['--throttle-user', `${RATE}/h`, '--throttle-address', `${RATE}/h`],
    });
  });
  afterAll(async () => {
    await agent.close();
    await server.stop();
    await cluster.stop();
  });

  const refresh = async (token: string): Promise<Answer> => {
    const { statusCode, headers, body } = await request(`${server.url}/account/token/refresh/`, {
      dispatcher: agent,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh: token }),
    });
    const told = (await body.json()) as Record<string, string>;
    const retryAfter = Number(headers['retry-after']);
    return { status: statusCode, code: told['code'], retryAfter, refresh: told['refresh'] };
  };

  const refreshAll = async (tokens: readonly string[]): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    await Promise.all(
      tokens.map(async (token) => {
        const { status, code } = await refresh(token);
        const kind = status === 429 && code !== 'throttled' ? 'in flight' : status;
        counts[kind] = (counts[kind] ?? 0) + 1;
      }),
    );
    return counts;
  };

  const logIn = async (): Promise<MintedToken> => {
    const [userId] = await createUsers(cluster.url, 1);
    const token = mintRefresh({ userId: userId! });
    await insertOutstanding(cluster.url, [token]);
    return token;
  };

  /** How often each statement on tokens or users ran so far; what is asked now and then in the background, and by this test, apart. */
  const statements = () =>
    query<{ calls: number; query: string }>(
      cluster.url,
      `SELECT calls::int, left(query, 200) AS query FROM pg_stat_statements
        WHERE query ~ 'token_blacklist|auth_user' AND query !~ 'pg_stat_statements|FOR KEY SHARE|WITH picked|to_regclass' ORDER BY queryid`,
    );

  it('hold a client in a loop to its rate, and it costs the database no statement', async () => {
    let { token } = await logIn();
    const begun = await statements();
    for (let granted = 0; granted < RATE; granted++) {
      const answer = await refresh(token);
      expect(answer.status).toBe(200);
      token = answer.refresh!;
    }
    const after = await statements();
    expect(after).not.toEqual(begun);
    for (let lap = 0; lap < 300; lap++) {
      const { status, code, retryAfter } = await refresh(token);
      expect([status, code]).toEqual([429, 'throttled']);
      // One comes back every 720 seconds.
      expect(retryAfter).toBeGreaterThan(0);
      expect(retryAfter).toBeLessThanOrEqual(3_600 / RATE);
    }
    expect(await statements()).toEqual(after);
    // Nor was the token spent.
    const [spent] = await query<{ count: number }>(
      cluster.url,
      `SELECT count(*)::int FROM token_blacklist_blacklistedtoken b JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id
        WHERE o.token = $1`,
      [token],
    );
    expect(spent!.count).toBe(0);
  });

  it('never hit 2,000 users behind one address at shift change, whoever forges tokens there', async () => {
    // Somebody behind that address has used up what it has for forged tokens.
    const forged = Array.from(
      { length: 50 },
      (_, n) => mintRefresh({ userId: 1, key: `x${n}`.repeat(32) }).token,
    );
    expect(await refreshAll(forged)).toEqual({ 401: RATE, 429: 50 - RATE });
    const users = await createUsers(cluster.url, SHIFT);
    const tokens = (await issueTokens(cluster.url, users)).map(({ token }) => token);
    expect(await refreshAll(tokens)).toEqual({ 200: SHIFT });
    // The old tokens once more, from tabs that lost the answer: refused, and not for a rate.
    expect(await refreshAll(tokens.slice(0, 500))).toEqual({ 401: 500 });
  });

  it('charge a user for nothing but refreshes that were granted: not for forged tokens in its name, nor for spent ones', async () => {
    const victim = await logIn();
    const inItsName = Array.from(
      { length: 50 },
      () => mintRefresh({ userId: victim.userId, key: 'forger'.repeat(8) }).token,
    );
    const { 200: granted } = await refreshAll(inItsName);
    expect(granted).toBeUndefined();
    // Tokens of its last days, which all come at once with the one that is good.
    const old = await issueTokens(cluster.url, Array<number | string>(40).fill(victim.userId));
    await query(
      cluster.url,
      `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
       SELECT now() - interval '1 hour', id FROM token_blacklist_outstandingtoken WHERE jti = ANY ($1)`,
      [old.map(({ jti }) => jti)],
    );
    let { token } = victim;
    for (let turn = 0; turn < RATE; turn++) {
      const [refused, answer] = await Promise.all([refreshAll(old.map((one) => one.token)), refresh(token)]);
      expect([turn, refused, answer.status]).toEqual([turn, { 401: 40 }, 200]);
      if (turn < RATE - 1) expect((await refresh(token)).status).toBe(401);
      token = answer.refresh!;
    }
    expect((await refresh(token)).code).toBe('throttled');
  });
});

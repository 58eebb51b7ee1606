/** `migrate --notify`: how soon a change is known, and what the triggers cost those who make it. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '../src/migrate/index.js';
import { PgChangeFeed } from '../src/store/change-feed.js';
import { PgDatabase } from '../src/store/pool.js';
import { readSchema } from '../src/store/schema.js';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  startCluster,
  type Cluster,
} from '../test/support/postgres.js';
import { services } from '../test/support/services.js';
import { issueTokens } from '../test/support/tokens.js';
import { median } from './support/load.js';

const CHANGES = 500;
const BULK = 100_000;
const ROUNDS = 5;

describe.skipIf(services().postgresBin === undefined)('changes by other hands', () => {
  let cluster: Cluster;
  let told: string;
  let untold: string;
  beforeAll(async () => {
    cluster = await startCluster({ settings: { fsync: 'on' } });
    const make = async (notify: boolean) => {
      const { url } = await freshDatabase(cluster.url);
      await createSimplejwtTables(url);
      await applyMigrations(url, { createTables: false, notify });
      return url;
    };
    told = await make(true);
    untold = await make(false);
  });
  afterAll(() => cluster.stop());

  it('are known to two instances', async () => {
    const pool = new PgDatabase({
      connection: told, size: 2, statementTimeoutMs: 5_000, connectTimeoutMs: 3_000, applicationName: 'bench',
      onStatement: () => undefined, onIdleError: () => undefined,
    }); // prettier-ignore
    const schema = await readSchema(pool, {
      userCheck: 'auto', userTable: undefined, userIdColumn: 'id', userActiveColumn: 'is_active',
    }); // prettier-ignore
    const heardAt = [new Map<string, number>(), new Map<string, number>()];
    const feeds = heardAt.map((heard) => {
      const feed = new PgChangeFeed({
        connection: told, database: pool, schema, monotonicMs: () => performance.now(), random: Math.random,
        onChange: () => undefined,
      }); // prettier-ignore
      feed.subscribe({
        onChange(change) {
          if (change.kind === 'blacklisted')
            for (const { jti } of change.tokens) heard.set(jti, performance.now());
        },
        onAlive: () => undefined,
        onLost: () => undefined,
      });
      feed.start();
      return feed;
    });
    while (!feeds.every(({ alive }) => alive)) await new Promise((resolve) => setTimeout(resolve, 10));
    const tokens = await issueTokens(told, await createUsers(told, CHANGES));
    const client = new pg.Client({ connectionString: told });
    await client.connect();
    const committedAt = new Map<string, number>();
    for (const { jti } of tokens) {
      await client.query(
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
        [jti],
      );
      committedAt.set(jti, performance.now());
    }
    while (!heardAt.every((heard) => heard.size === CHANGES))
      await new Promise((resolve) => setTimeout(resolve, 10));
    const latencies = heardAt
      .flatMap((heard) => [...heard].map(([jti, at]) => Math.max(0, at - committedAt.get(jti)!)))
      .sort((a, b) => a - b);
    const at = (q: number) =>
      +latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))]!.toFixed(2);
    console.log(JSON.stringify({ knownAfterMs: { p50: at(0.5), p99: at(0.99), max: at(1) } }));
    await client.end();
    for (const feed of feeds) await feed.stop();
    await pool.end();
    expect(latencies).toHaveLength(2 * CHANGES);
  });

  it('cost who makes them', async () => {
    const clients = await Promise.all(
      [told, untold].map(async (url) => {
        const client = new pg.Client({ connectionString: url });
        await client.connect();
        await client.query('DELETE FROM token_blacklist_blacklistedtoken');
        await client.query('DELETE FROM token_blacklist_outstandingtoken');
        await client.query('DELETE FROM auth_user');
        await client.query(
          `INSERT INTO auth_user (id, is_active) SELECT n, true FROM generate_series(1, ${BULK}) AS n`,
        );
        await client.query(
          `INSERT INTO token_blacklist_outstandingtoken (token, expires_at, user_id, jti)
           SELECT repeat('x', 250), now(), n, md5(n::text) FROM generate_series(1, ${BULK}) AS n`,
        );
        await client.query('VACUUM ANALYZE');
        // What the disk takes is the same with and without, and moves more than what is looked for.
        await client.query('SET synchronous_commit = off');
        return client;
      }),
    );
    const statements: Record<string, readonly [text: string, times: number]> = {
      'a log-out': [
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = md5($1::int::text)
         ON CONFLICT DO NOTHING`, 200,
      ],
      'a log-in noted at its user': [`UPDATE auth_user SET is_active = is_active WHERE id = $1`, 200],
      'a user deactivated': [`UPDATE auth_user SET is_active = NOT is_active WHERE id = $1`, 200],
      [`${BULK} tokens blacklisted at once`]: [
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken ON CONFLICT DO NOTHING`, 1,
      ],
      [`${BULK} users updated at once`]: ['UPDATE auth_user SET is_active = is_active', 1],
    }; // prettier-ignore
    const rows: Record<string, object> = {};
    for (const [name, [text, times]] of Object.entries(statements)) {
      const tookMs: [number[], number[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        for (const [n, client] of clients.entries()) {
          if (times === 1) await client.query('BEGIN');
          const startedMs = performance.now();
          for (let time = 0; time < times; time++) {
            // The same rows for both.
            await client.query(text, times === 1 ? [] : [round * times + time + 1]);
          }
          tookMs[n as 0 | 1].push((performance.now() - startedMs) / times);
          if (times === 1) await client.query('ROLLBACK');
        }
      }
      const [withMs, withoutMs] = tookMs.map(median) as [number, number];
      rows[name] = {
        'told ms': +withMs.toFixed(2),
        'untold ms': +withoutMs.toFixed(2),
        times: +(withMs / withoutMs).toFixed(2),
      };
    }
    console.table(rows);
    for (const client of clients) await client.end();
    expect(Object.keys(rows)).toHaveLength(5);
  });
});

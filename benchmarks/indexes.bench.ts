/** The look-ups of the original note at 1,000,000 rows, with and without its indexes. */
import pg from 'pg';
import { it } from 'vitest';
import { createSimplejwtTables, startCluster } from '../test/support/postgres.js';

const ROWS = 1_000_000;
const TIMES = 7;
const LOOKUPS = [
  ['by jti', 'token_blacklist_outstandingtoken_jti_hex_d9bdf6f7_uniq', `SELECT id FROM token_blacklist_outstandingtoken WHERE jti = md5('500000')`],
  ['by user', 'token_blacklist_outstandingtoken_user_id_83bc629a', 'SELECT count(*) FROM token_blacklist_outstandingtoken WHERE user_id = 777'],
  ['newest of a user', 'idx_refresh_token_user_created', 'SELECT id FROM token_blacklist_outstandingtoken WHERE user_id = 777 ORDER BY created_at DESC LIMIT 1'],
  ['blacklisted in a minute', 'idx_blacklisted_token_created', `SELECT count(*) FROM token_blacklist_blacklistedtoken WHERE blacklisted_at >= timestamptz '2026-01-05' AND blacklisted_at < timestamptz '2026-01-05 00:01'`],
  ['expired, first 1,000', 'idx_outstanding_token_expires', `SELECT id FROM token_blacklist_outstandingtoken WHERE expires_at < timestamptz '2026-01-01 12:10' ORDER BY expires_at, id LIMIT 1000`],
] as const; // prettier-ignore

it('look-ups at a million rows', async () => {
  const cluster = await startCluster({ settings: { shared_buffers: '256MB' } });
  await createSimplejwtTables(cluster.url, { users: false });
  const client = new pg.Client({ connectionString: cluster.url });
  await client.connect();
  try {
    await client.query(`
      INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
      SELECT repeat('x', 230), timestamptz '2026-01-01' + n * interval '1 s', timestamptz '2026-01-01 12:00' + n * interval '1 s', n % 10000, md5(n::text)
        FROM generate_series(1, ${ROWS}) n`);
    await client.query(`
      INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
      SELECT created_at + interval '15 min', id FROM token_blacklist_outstandingtoken`);
    // Statements of their own: an index can't be made while a deferred foreign key is still to be checked.
    await client.query(`
      CREATE INDEX idx_refresh_token_user_created ON token_blacklist_outstandingtoken (user_id, created_at);
      CREATE INDEX idx_blacklisted_token_created ON token_blacklist_blacklistedtoken (blacklisted_at);
      CREATE INDEX idx_outstanding_token_expires ON token_blacklist_outstandingtoken (expires_at, id);
      SET jit = off`);
    await client.query('VACUUM ANALYZE');
    const rows: Record<string, object> = {};
    for (const [name, index, lookup] of LOOKUPS) {
      const withIndex = await medianMs(client, lookup);
      // Not dropped: the planner may use none, for Django's own would stand in for some.
      await client.query(
        'SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off',
      );
      const without = await medianMs(client, lookup);
      await client.query('RESET enable_indexscan; RESET enable_bitmapscan; RESET enable_indexonlyscan');
      rows[name] = {
        index,
        'with ms': withIndex.toFixed(3),
        'without ms': without.toFixed(1),
        times: Math.round(without / withIndex),
      };
    }
    console.table(rows);
  } finally {
    await client.end();
    await cluster.stop();
  }
});

async function medianMs(client: pg.Client, lookup: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < TIMES; n++) {
    const startedMs = performance.now();
    await client.query(lookup);
    times.push(performance.now() - startedMs);
  }
  return times.sort((a, b) => a - b)[(TIMES - 1) / 2]!;
}

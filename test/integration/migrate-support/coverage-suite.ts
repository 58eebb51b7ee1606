import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readIndexes, readTables } from '../../../src/migrate/catalog.js';
import { shortfall } from '../../../src/migrate/coverage.js';
import { openSession, type Session } from '../../../src/migrate/session.js';
import type { Connection } from '../../../src/store/connector.js';
import { type Pair, PAIRS } from './coverage-pairs.js';

const TABLE = 'token_blacklist_outstandingtoken';

/** Nothing but the index under test: what the planner does then, it does with that. */
const SETUP = `
  CREATE TABLE ${TABLE} (
    id bigint NOT NULL, token text NOT NULL, created_at timestamptz, expires_at timestamptz NOT NULL,
    user_id integer, jti varchar(255) NOT NULL);
  INSERT INTO ${TABLE}
  SELECT n, 'token', now() - n * interval '1 s', now() + n * interval '1 s', n % 50, md5(n::text)
    FROM generate_series(1, 2000) AS n;
  ANALYZE ${TABLE};`;

/** The rules of coverage, each pair held to what the planner does with the existing index alone. */
export function coverageSuite(
  start: () => Promise<{ connection: Connection; stop: () => Promise<void> }>,
): void {
  let stop: () => Promise<void>;
  let session: Session;
  let oid: number;
  let version: number;
  beforeAll(async () => {
    const started = await start();
    ({ stop } = started);
    session = await openSession(started.connection, 'test');
    await session.query(SETUP);
    oid = (await readTables(session, [TABLE]))[0]!.oid;
    const [row] = await session.query<{ v: number }>(
      "SELECT current_setting('server_version_num')::int AS v",
    );
    version = row!.v;
  });
  afterAll(async () => {
    await session.close();
    await stop();
  });

  /** The index's facts, and whether it serves all of the queries when it is the only one. */
  const tryAlone = (sql: string, pair: Pair) =>
    session.rehearse(async () => {
      for (const statement of createIndex(sql)) await session.query(statement);
      const [facts] = await readIndexes(session, [oid]);
      await session.query('SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off');
      const served: boolean[] = [];
      for (const query of pair.queries) served.push(await serves(session, query, pair));
      return { facts: facts!, serves: served.every(Boolean) };
    });

  it('has pairs enough', () => expect(PAIRS.length).toBeGreaterThanOrEqual(30));

  describe.each(PAIRS)('wanted $wanted, existing $existing', (pair) => {
    it(pair.shortfall ?? 'covered', async ({ skip }) => {
      if (version < (pair.minVersion ?? 0)) return skip(`PostgreSQL ${pair.minVersion!} is needed`);
      const wanted = await tryAlone(pair.wanted, pair);
      const existing = await tryAlone(pair.existing, pair);
      expect(shortfall(wanted.facts, existing.facts)).toBe(pair.shortfall);
      // The queries are what the wanted index is good for, or they would prove nothing.
      expect(wanted.serves).toBe(true);
      expect(existing.serves).toBe(pair.shortfall === undefined || pair.conservative === true);
    });
  });
}

function createIndex(sql: string): string[] {
  if (sql.startsWith('CONSTRAINT '))
    return [`ALTER TABLE ${TABLE} ADD ${sql.replace('CONSTRAINT', 'CONSTRAINT i')}`];
  const [, invalid, unique, rest] = /^(INVALID )?(UNIQUE )?(.*)$/.exec(sql)!;
  const create = `CREATE ${unique ?? ''}INDEX i ON ${TABLE} ${rest!}`;
  const spoil = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass";
  return invalid === undefined ? [create] : [create, spoil];
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly Filter?: string;
  readonly Plans?: readonly PlanNode[];
}

/** The planner answers from the index alone: no sorting afterwards, nothing to filter out, no other way. */
async function serves(session: Session, query: string, pair: Pair): Promise<boolean> {
  if (query.startsWith('INSERT')) {
    // There is an arbiter for ON CONFLICT, or it is an error: when it is planned, or for a deferrable one when it is run.
    await session.query('SAVEPOINT before');
    return session.query(query).then(
      () => true,
      () => session.query('ROLLBACK TO before').then(() => false),
    );
  }
  const [row] = await session.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(`EXPLAIN (FORMAT JSON) ${query}`);
  const nodes = flatten(row!['QUERY PLAN'][0].Plan);
  const scan = nodes.find((node) => node['Index Name'] === 'i');
  return (
    scan !== undefined &&
    (pair.indexOnly !== true || scan['Node Type'] === 'Index Only Scan') &&
    (pair.filterAllowed === true || scan.Filter === undefined) &&
    nodes.every((node) => !node['Node Type'].includes('Sort'))
  );
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}

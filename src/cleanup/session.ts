import type pg from 'pg';
import { connectClient, searchPathOf, type Connection } from '../store/connector.js';
import { lastRows } from '../store/last-rows.js';
import type { PgDatabase } from '../store/pool.js';
import { servedBy } from '../store/stalled.js';
import type { Took } from './pace.js';

/** One statement, or several separated by semicolons (then without values): the rows of the last one that has any. */
export type Query = <Row>(text: string, values?: readonly unknown[]) => Promise<Row[]>;

/** How a transaction ends, and what it found out. */
export interface Ending<T> {
  /** `committed`: the work has seen to that itself. */
  readonly end: 'commit' | 'rollback' | 'committed';
  readonly value: T;
}

/** A transaction that came to its end, and what it took. */
export interface Timed<T> {
  readonly value: T;
  readonly took: Took;
}

/** What a statement has taken since it came to the server (ms), by the server's clock. */
export interface Worked {
  readonly worked_ms: number;
}

/** The last column of a statement whose work is measured: no round trip is in it, and nothing of this machine. */
export const WORKED_MS = `(extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000)::float8 AS worked_ms`;

/** Foreign keys are checked here, rather than in the COMMIT, whose time nobody tells. */
export const CHECK = `SET CONSTRAINTS ALL IMMEDIATE; SELECT ${WORKED_MS}`;

/** Runs a transaction and tells how long it took, and what its rows cost the database. */
export async function timed<T>(
  session: CleanupSession,
  begin: string,
  monotonicMs: () => number,
  work: (query: Query) => Promise<Ending<T> & { readonly workedMs: number }>,
): Promise<Timed<T>> {
  const startedMs = monotonicMs();
  let workedMs = 0;
  const value = await session.transaction(begin, async (query): Promise<Ending<T>> => {
    const ending = await work(query);
    workedMs = ending.workedMs;
    if (ending.end !== 'commit') return ending;
    const [checked] = await query<Worked>(`${CHECK}; COMMIT`);
    workedMs += checked?.worked_ms ?? 0;
    return { end: 'committed', value: ending.value };
  });
  return { value, took: { ms: monotonicMs() - startedMs, workedMs } };
}

/**
 * What a cleanup needs of a connection: single statements, and transactions. Nothing is set for the session and
 * nothing is expected of it, so that a pooler may give each transaction another one.
 */
export interface CleanupSession {
  readonly query: Query;
  /** Looks around in the catalog, with the search path that the connection is to have. */
  look<T>(work: (query: Query) => Promise<T>): Promise<T>;
  /** A statement that takes as long as it takes: a VACUUM. */
  readonly slowly: Query;
  /** The pid of its backend, where that is this session's alone: no pooler, and no pool that others share. */
  readonly backend?: number | undefined;
  /** @param begin the text that begins it: BEGIN, and what is SET LOCAL */
  transaction<T>(begin: string, work: (query: Query) => Promise<Ending<T>>): Promise<T>;
  close(): Promise<void>;
}

/** Longer than any statement's own timeout: only for a server that has stopped answering at all. */
const FROZEN_MS = 10 * 60_000;

/**
 * A connection of its own.
 *
 * @throws NotConnectedError
 */
export async function openCleanupSession(
  connection: Connection,
  onStatement: () => void = () => undefined,
): Promise<CleanupSession> {
  const client = await connectClient(connection, 'carelink-tokens cleanup', FROZEN_MS);
  const query = queryOf(client, onStatement);
  const searchPath = searchPathOf(connection);
  return {
    query,
    look: (work) => lookOn(query, searchPath, work),
    slowly: query,
    backend: await backendOf(client),
    transaction: (begin, work) => transactionOn(query, begin, work),
    close: () => client.end().catch(() => undefined),
  };
}

async function backendOf(client: pg.Client): Promise<number | undefined> {
  try {
    return (await servedBy(client)).backend?.pid;
  } catch {
    // What is wrong with the connection the first statement tells.
    return undefined;
  }
}

/** On the pool of a server: the embedded PostgreSQL is one session, which all of a process share (rule 15). */
export function sharedCleanupSession(database: PgDatabase): CleanupSession {
  return {
    query: (text, values) => database.exclusively('cleanup', (query) => query(text, values)),
    look: (work) => database.exclusively('cleanup', (query) => lookOn(query, database.searchPath, work)),
    slowly: (text, values) => database.exclusively('cleanup', (query) => query(text, values), FROZEN_MS),
    transaction: (begin, work) =>
      database.exclusively('cleanup', (query) => transactionOn(query, begin, work)),
    close: () => Promise.resolve(),
  };
}

/** What is set ends with the transaction: a pooler may give the session to anybody afterwards. */
function lookOn<T>(
  query: Query,
  searchPath: string | undefined,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  if (searchPath === undefined) return work(query);
  const path = `'${searchPath.replaceAll("'", "''")}'`;
  return transactionOn(
    query,
    `BEGIN READ ONLY; SELECT set_config('search_path', ${path}, true)`,
    async () => ({
      end: 'commit',
      value: await work(query),
    }),
  );
}

function queryOf(client: pg.ClientBase, onStatement: () => void): Query {
  return async <Row>(text: string, values?: readonly unknown[]) => {
    onStatement();
    const result = await (values === undefined ? client.query(text) : client.query(text, [...values]));
    return lastRows<Row>(result);
  };
}

async function transactionOn<T>(
  query: Query,
  begin: string,
  work: (query: Query) => Promise<Ending<T>>,
): Promise<T> {
  try {
    await query(begin);
    const { end, value } = await work(query);
    if (end !== 'committed') await query(end === 'commit' ? 'COMMIT' : 'ROLLBACK');
    return value;
  } catch (error) {
    // Where the connection is gone the server rolls back by itself; the first error is the one that tells.
    await query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

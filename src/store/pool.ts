import pg from 'pg';
import type { Connection } from './connect.js';
import type { Database, Purpose, Statement } from './database.js';
import { EnclosedQuery } from './enclosed-query.js';
import { isStaleStatement, leavesConnectionUsable, NotConnectedError } from './errors.js';
import { sessionSetUp, transactionSetUp } from './session-settings.js';

export interface PoolOptions {
  readonly connection: Connection;
  /** Connections at most. 1 for the embedded PostgreSQL, which is one session (rule 15). */
  readonly size: number;
  /** A statement that takes longer is given up and its connection closed: a frozen server must not hold a request. */
  readonly statementTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** Let the triggers of `migrate --notify` tell nobody of rotations; see session-settings.ts. */
  readonly quiet?: boolean;
  readonly applicationName: string;
  readonly onStatement: (purpose: Purpose) => void;
  /**
   * A statement asks for a connection, and there is none but those that others use (`full`); what is returned is called
   * when it has one, or gave up.
   */
  readonly onWaiting?: (full: boolean) => () => void;
  /** There is a pooler between here and PostgreSQL. */
  readonly onPooler?: () => void;
  /** An idle connection broke; the pool replaces it by itself. */
  readonly onIdleError: (error: Error) => void;
}

/** A pool of connections whose errors tell "refused" from "unknown" (see `classify`). */
export class PgDatabase implements Database {
  readonly #pool: pg.Pool;
  readonly #onStatement: (purpose: Purpose) => void;
  readonly #onWaiting: PoolOptions['onWaiting'];
  readonly #around: ReturnType<typeof transactionSetUp>;
  /** Connections behind which another session may be in each transaction. */
  readonly #pooled = new Set<pg.ClientBase>();
  readonly #statementTimeoutMs: number;

  constructor(options: PoolOptions) {
    const { connection } = options;
    const { statementTimeoutMs, quiet = false } = options;
    const setUp = sessionSetUp({ statementTimeoutMs, quiet });
    this.#around = transactionSetUp({ statementTimeoutMs, quiet });
    this.#onStatement = options.onStatement;
    this.#onWaiting = options.onWaiting;
    this.#statementTimeoutMs = options.statementTimeoutMs;
    // The pool waits for the promise, but @types/pg says void.
    const onConnect: (client: pg.ClientBase) => unknown = async (client) => {
      // A connection that breaks while it is out tells its query, and says it as an event besides: without a
      // listener that would end the process.
      client.on('error', () => undefined);
      options.onStatement('connect');
      // The embedded PostgreSQL is reached by its parts, and nothing is in between.
      if (typeof connection === 'string' && (await isPooled(client))) {
        if (this.#pooled.size === 0) options.onPooler?.();
        this.#pooled.add(client);
        client.once('end', () => this.#pooled.delete(client));
      } else {
        await client.query(setUp);
      }
    };
    this.#pool = new pg.Pool({
      ...(typeof connection === 'string' ? { connectionString: connection } : connection),
      max: options.size,
      application_name: options.applicationName,
      connectionTimeoutMillis: options.connectTimeoutMs,
      query_timeout: options.statementTimeoutMs,
      // Idle connections stay: a burst at shift change must not begin with eight connects.
      idleTimeoutMillis: 0,
      keepAlive: true,
      onConnect,
    });
    this.#pool.on('error', options.onIdleError);
  }

  async query<Row>(purpose: Purpose, statement: Statement): Promise<Row[]> {
    // Each open connection may hold a stale statement, and is closed when it says so; a new one prepares anew.
    for (let others = this.usage.open; ; others--) {
      try {
        return await this.#queryOnce<Row>(purpose, statement);
      } catch (error) {
        if (!isStaleStatement(error) || others <= 0) throw error;
      }
    }
  }

  async #queryOnce<Row>(purpose: Purpose, statement: Statement): Promise<Row[]> {
    const client = await this.#connect();
    this.#onStatement(purpose);
    try {
      const rows = this.#pooled.has(client)
        ? await this.#enclosed<Row>(client, statement)
        : (await client.query({ ...statement, values: statement.values as unknown[] })).rows;
      client.release();
      return rows as Row[];
    } catch (error) {
      const usable =
        leavesConnectionUsable(error) && (!this.#pooled.has(client) || (await isRolledBack(client)));
      client.release(!usable);
      throw error;
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    const { idleCount, waitingCount, totalCount, options } = this.#pool;
    const waited = this.#onWaiting?.(idleCount <= waitingCount && totalCount >= options.max);
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw new NotConnectedError('no connection to PostgreSQL', { cause: error });
    } finally {
      waited?.();
    }
  }

  /** In a transaction of its own that brings its settings along: what is set for a session may reach anybody's. */
  async #enclosed<Row>(client: pg.ClientBase, { text, values = [] }: Statement): Promise<Row[]> {
    const results = await new Promise<pg.QueryResult | readonly pg.QueryResult[]>((resolve, reject) => {
      const query = new EnclosedQuery({ text, values }, this.#around, (error, result) =>
        error === null ? resolve(result) : reject(error),
      );
      client.query(query as unknown as pg.Submittable);
    });
    return ('rows' in results ? [] : (results.at(-2)?.rows ?? [])) as Row[];
  }

  /**
   * Does work on one connection that nobody else gets meanwhile: a transaction of several statements.
   *
   * @param timeoutMs for each statement, where that is not the pool's
   * @throws what the work throws
   */
  async exclusively<T>(
    purpose: Purpose,
    work: (query: <Row>(text: string, values?: readonly unknown[]) => Promise<Row[]>) => Promise<T>,
    timeoutMs?: number,
  ): Promise<T> {
    const client = await this.#connect();
    let broken = false as boolean;
    const setTimeLimit = async (ms: number): Promise<void> => {
      this.#onStatement(purpose);
      await client.query(`SET statement_timeout = ${ms}`);
    };
    const limit = timeoutMs === undefined ? {} : { query_timeout: timeoutMs };
    // Behind a pooler nothing may be set for a session, and none of ours is.
    const limited = timeoutMs !== undefined && !this.#pooled.has(client);
    try {
      if (limited) await setTimeLimit(timeoutMs);
      return await work(async <Row>(text: string, values?: readonly unknown[]) => {
        this.#onStatement(purpose);
        try {
          const result = await client.query({
            text,
            ...(values === undefined ? {} : { values: [...values] }),
            ...limit,
          });
          // `pg` hands over a list of results where a text had several statements.
          const last: pg.QueryResult | undefined = Array.isArray(result)
            ? (result as pg.QueryResult[]).at(-1)
            : result;
          return (last?.rows ?? []) as Row[];
        } catch (error) {
          broken ||= !leavesConnectionUsable(error);
          throw error;
        }
      });
    } finally {
      if (limited && !broken) {
        // A connection that can't be told so must not be used with the other limit.
        await setTimeLimit(this.#statementTimeoutMs).catch(() => {
          broken = true;
        });
      }
      client.release(broken);
    }
  }

  /** Connections that are open, idle, and requests waiting for one. */
  get usage(): { readonly open: number; readonly idle: number; readonly waiting: number } {
    return { open: this.#pool.totalCount, idle: this.#pool.idleCount, waiting: this.#pool.waitingCount };
  }

  async end(): Promise<void> {
    await this.#pool.end();
  }
}

/**
 * Whether somebody stands between here and the session: a pooler makes up the process id that it greets its clients
 * with, for the sessions behind it change. In session mode it does so too; going on as if in transaction mode is right
 * there as well, and only costs the prepared statements.
 */
export async function isPooled(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid !== (client as pg.ClientBase & { readonly processID: number | null }).processID;
}

/**
 * Ends a transaction that failed. An error at COMMIT has ended it already, and nothing is wrong with saying it again; a
 * pooler in statement mode ends the connection instead.
 */
function isRolledBack(client: pg.ClientBase): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}

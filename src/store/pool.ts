import pg from 'pg';
import type { Connection } from './connect.js';
import type { Database, Purpose, Statement } from './database.js';
import { isStaleStatement, leavesConnectionUsable, NotConnectedError } from './errors.js';

export interface PoolOptions {
  readonly connection: Connection;
  /** Connections at most. 1 for the embedded PostgreSQL, which is one session (rule 15). */
  readonly size: number;
  /** A statement that takes longer is given up and its connection closed: a frozen server must not hold a request. */
  readonly statementTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly applicationName: string;
  readonly onStatement: (purpose: Purpose) => void;
  /** An idle connection broke; the pool replaces it by itself. */
  readonly onIdleError: (error: Error) => void;
}

/**
 * What every connection is set to, not hoped to have (rule 3).
 *
 * - READ COMMITTED: a conflict with a concurrent claim is seen as a lost claim; REPEATABLE READ would abort.
 * - synchronous_commit on: a claim that was answered is on disk.
 * - lock_timeout: statement_timeout doesn't stop the wait of a foreign key's check at commit.
 * - enable_seqscan off and jit off: every statement here is look-ups by index; a plan cached while the tables
 *   were small and never analysed must not scan them once they are large.
 */
function sessionSettings(statementTimeoutMs: number): Record<string, string> {
  return {
    default_transaction_isolation: 'read committed',
    default_transaction_read_only: 'off',
    synchronous_commit: 'on',
    lock_timeout: '100ms',
    statement_timeout: `${statementTimeoutMs}ms`,
    idle_in_transaction_session_timeout: '10s',
    enable_seqscan: 'off',
    jit: 'off',
  };
}

/** A pool of connections whose errors tell "refused" from "unknown" (see `classify`). */
export class PgDatabase implements Database {
  readonly #pool: pg.Pool;
  readonly #onStatement: (purpose: Purpose) => void;
  readonly #statementTimeoutMs: number;

  constructor(options: PoolOptions) {
    const settings = Object.entries(sessionSettings(options.statementTimeoutMs));
    const setUp = `SELECT ${settings.map(([name, value]) => `set_config('${name}', '${value}', false)`).join(', ')}`;
    const { connection } = options;
    this.#onStatement = options.onStatement;
    this.#statementTimeoutMs = options.statementTimeoutMs;
    // The pool waits for the promise, but @types/pg says void.
    const onConnect: (client: pg.ClientBase) => unknown = async (client) => {
      // A connection that breaks while it is out tells its query, and says it as an event besides: without a
      // listener that would end the process.
      client.on('error', () => undefined);
      options.onStatement('connect');
      await client.query(setUp);
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
    let client: pg.PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw new NotConnectedError('no connection to PostgreSQL', { cause: error });
    }
    this.#onStatement(purpose);
    try {
      const result = await client.query({ ...statement, values: statement.values as unknown[] });
      client.release();
      return result.rows as Row[];
    } catch (error) {
      client.release(!leavesConnectionUsable(error));
      throw error;
    }
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
    let client: pg.PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw new NotConnectedError('no connection to PostgreSQL', { cause: error });
    }
    let broken = false as boolean;
    const setTimeLimit = async (ms: number): Promise<void> => {
      this.#onStatement(purpose);
      await client.query(`SET statement_timeout = ${ms}`);
    };
    const limit = timeoutMs === undefined ? {} : { query_timeout: timeoutMs };
    try {
      if (timeoutMs !== undefined) await setTimeLimit(timeoutMs);
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
      if (timeoutMs !== undefined && !broken) {
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

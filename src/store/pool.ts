import type pg from 'pg';
import { answers, Connections } from './connections.js';
import { connectClient, openPool, searchPathOf, type Connection, type RoutedPool } from './connector.js';
import type { Database, Purpose, Statement } from './database.js';
import { EnclosedQuery, isRolledBack } from './enclosed-query.js';
import {
  isCancelledWait,
  isGivenUp,
  isStaleStatement,
  isTooSlow,
  leavesConnectionUsable,
  NotConnectedError,
  troubleOf,
  UncertainCommitError,
} from './errors.js';
import { GivenUpConnections } from './given-up-connections.js';
import { OwnStatements } from './own-statements.js';
import { sessionSetUp, transactionSetUp, type SettingsOptions } from './session-settings.js';
import { servedBy } from './stalled.js';

export interface PoolOptions {
  readonly connection: Connection;
  /** Connections at most. 1 for the embedded PostgreSQL, which is one session (rule 15). */
  readonly size: number;
  /** A statement that takes longer is given up and its connection closed: a frozen server must not hold a request. */
  readonly statementTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** Let the triggers of `migrate --notify` tell nobody of rotations; see session-settings.ts. */
  readonly quiet?: boolean;
  /** Nothing can be written over it. */
  readonly readOnly?: boolean;
  readonly applicationName: string;
  readonly onStatement: (purpose: Purpose) => void;
  /**
   * A statement asks for a connection, and there is none but those that others use (`full`); what is returned is called
   * when it has one, or gave up.
   */
  readonly onWaiting?: (full: boolean) => () => void;
  /** There is a pooler between here and PostgreSQL. */
  readonly onPooler?: () => void;
  /** No connection could be opened. Said each time; a wait for a connection that others use is none. */
  readonly onNotConnected?: (error: NotConnectedError) => void;
  /** An idle connection broke; the pool replaces it by itself. */
  readonly onIdleError: (error: Error) => void;
}

/** A pool of connections whose errors tell "refused" from "unknown" (see `classify`). */
export class PgDatabase implements Database {
  readonly #routed: RoutedPool;
  readonly #pool: pg.Pool;
  readonly #onStatement: (purpose: Purpose) => void;
  readonly #onWaiting: PoolOptions['onWaiting'];
  readonly #onNotConnected: PoolOptions['onNotConnected'];
  #setUp: string;
  #around: ReturnType<typeof transactionSetUp>;
  /** Connections behind which another session may be in each transaction. */
  readonly #pooled = new Set<pg.ClientBase>();
  readonly #settings: Pick<SettingsOptions, 'quiet' | 'searchPath' | 'readOnly'>;
  #statementTimeoutMs: number;
  readonly #givenUp: GivenUpConnections;
  readonly #connections = new Connections();
  /** Their last commit may not be on the synchronous standby. */
  readonly #uncertain = new WeakSet<pg.ClientBase>();
  readonly #embedded: boolean;

  constructor(options: PoolOptions) {
    const { connection, applicationName, connectTimeoutMs } = options;
    // The embedded PostgreSQL is reached by its parts, and nothing is in between.
    this.#embedded = typeof connection !== 'string' && !('hosts' in connection);
    const { statementTimeoutMs, quiet = false, readOnly } = options;
    this.#settings = { quiet, searchPath: searchPathOf(connection), readOnly };
    this.#setUp = sessionSetUp({ statementTimeoutMs, ...this.#settings });
    this.#around = transactionSetUp({ statementTimeoutMs, ...this.#settings });
    this.#onStatement = options.onStatement;
    this.#onWaiting = options.onWaiting;
    this.#onNotConnected = options.onNotConnected;
    this.#statementTimeoutMs = options.statementTimeoutMs;
    const onConnect: (client: pg.ClientBase) => unknown = async (client) => {
      // A connection that breaks while it is out tells its query, and says it as an event besides: without a
      // listener that would end the process.
      client.on('error', () => undefined);
      client.on('notice', (notice) => {
        if (isCancelledWait(notice)) this.#uncertain.add(client);
      });
      this.#connections.add(client);
      options.onStatement('connect');
      const { pooled, backend } = this.#embedded
        ? { pooled: false, backend: undefined }
        : await servedBy(client);
      if (backend !== undefined) this.#givenUp.isServedBy(client, backend);
      if (pooled) {
        if (this.#pooled.size === 0) options.onPooler?.();
        this.#pooled.add(client);
        client.once('end', () => this.#pooled.delete(client));
      } else {
        await client.query(this.#setUp);
      }
    };
    this.#givenUp = new GivenUpConnections(options.size, {
      connect: () => connectClient(connection, applicationName, statementTimeoutMs, connectTimeoutMs),
      onChange: () => this.#resize(),
    });
    this.#routed = openPool(
      connection,
      { applicationName, connectTimeoutMs, queryTimeoutMs: statementTimeoutMs },
      {
        max: options.size,
        // Idle connections stay: a burst at shift change must not begin with eight connects.
        idleTimeoutMillis: 0,
        onConnect,
      },
    );
    this.#pool = this.#routed.pool;
    this.#pool.on('error', options.onIdleError);
  }

  /**
   * From now on the server cancels statements that take longer than this, which rolls them back: unlike one that is given
   * up, it is known not to stand. To be called before statements are under way.
   */
  async limitStatements(statementTimeoutMs: number): Promise<void> {
    this.#statementTimeoutMs = statementTimeoutMs;
    const settings = { statementTimeoutMs, ...this.#settings };
    this.#setUp = sessionSetUp(settings);
    this.#around = transactionSetUp(settings);
    const open = await Promise.all(Array.from({ length: this.usage.idle }, () => this.#pool.connect()));
    for (const client of open) client.release(true);
  }

  /**
   * What is open now is used no more, once what runs over it has ended: it may lead to a server that was the primary, is
   * alive, and whose reading is out of date.
   */
  async renew(): Promise<void> {
    this.#connections.outdate();
    const idle = await Promise.all(
      Array.from({ length: this.usage.idle }, () => this.#pool.connect().catch(() => undefined)),
    );
    for (const client of idle) this.#release(client);
  }

  #release(client: pg.PoolClient | undefined): void {
    client?.release(this.#connections.rests(client) === 'outdated');
  }

  /** A connection that somebody on the way has forgotten takes what is sent and never answers. */
  async #leads(client: pg.PoolClient): Promise<boolean> {
    if (this.#embedded || !this.#connections.restedLong(client)) return true;
    this.#onStatement('health');
    if (await answers(client)) return true;
    client.release(true);
    // What has been idle as long leads nowhere either, and each would be found out by itself.
    void this.renew();
    return false;
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
      if (this.#uncertain.delete(client)) throw unconfirmed();
      this.#release(client);
      return rows as Row[];
    } catch (error) {
      if (troubleOf(error) === 'read only') void this.renew();
      const usable =
        leavesConnectionUsable(error) && (!this.#pooled.has(client) || (await isRolledBack(client)));
      if (usable) this.#release(client);
      else this.#discard(client, error);
      throw error;
    }
  }

  /** A connection that is of no use any more; its backend may be busy for a while yet. */
  #discard(client: pg.PoolClient, error: unknown): void {
    // At the end nobody opens another one in its place.
    if (!isGivenUp(error) || this.#embedded || this.#pool.ending) client.release(true);
    else this.#givenUp.giveUp(client);
  }

  /** As many connections fewer as there are backends in doubt; those who wait are told when there are more again. */
  #resize(): void {
    this.#pool.options.max = this.#givenUp.room;
    if (this.#pool.waitingCount === 0 || this.#pool.totalCount >= this.#pool.options.max) return;
    this.#routed.connect().then(
      (client) => this.#release(client),
      () => undefined,
    );
  }

  async #connect(): Promise<pg.PoolClient> {
    if (this.#givenUp.count > 0) await this.#givenUp.haveRoom();
    const { idleCount, waitingCount, totalCount, options } = this.#pool;
    const waited = this.#onWaiting?.(idleCount <= waitingCount && totalCount >= options.max);
    try {
      for (;;) {
        const client = await this.#routed.connect();
        if (await this.#leads(client)) return client;
      }
    } catch (error) {
      if (error instanceof NotConnectedError && !isTooSlow(error)) this.#onNotConnected?.(error);
      throw error;
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
    const own = new OwnStatements(client, {
      queryTimeoutMs: timeoutMs,
      onStatement: () => this.#onStatement(purpose),
      onReadOnly: () => void this.renew(),
    });
    // Behind a pooler nothing may be set for a session, and none of ours is.
    const limitMs = this.#pooled.has(client) ? undefined : timeoutMs;
    let uncertain = false as boolean;
    let done: T;
    try {
      if (limitMs !== undefined) await own.limit(limitMs);
      done = await work(own.query);
    } finally {
      if (limitMs !== undefined && own.broken === undefined)
        await own.limit(this.#statementTimeoutMs).catch(() => undefined);
      uncertain = this.#uncertain.delete(client);
      if (own.broken === undefined) this.#release(client);
      else this.#discard(client, own.broken);
    }
    if (uncertain) throw unconfirmed();
    return done;
  }

  get searchPath(): string | undefined {
    return this.#settings.searchPath;
  }

  /** Connections that are open, idle, and requests waiting for one; backends that were given up and still run. */
  get usage(): {
    readonly open: number;
    readonly idle: number;
    readonly waiting: number;
    readonly inDoubt: number;
  } {
    const { totalCount: open, idleCount: idle, waitingCount: waiting } = this.#pool;
    return { open, idle, waiting, inDoubt: this.#givenUp.count };
  }

  async end(): Promise<void> {
    const ended = this.#pool.end();
    await Promise.all([this.#givenUp.stop(), ended]);
  }
}

function unconfirmed(): UncertainCommitError {
  return new UncertainCommitError('the wait for the synchronous standby was cancelled');
}

import type pg from 'pg';
import type { Ask } from '../store/database.js';
import { DEFAULT_OWN, type Owned } from '../store/own-schema.js';
import { connectClient, searchPathOf, type Connection } from '../store/connector.js';

/** One connection, which is one session of the server: session locks and settings are what a migration stands on. */
export interface Session extends Owned {
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** All or nothing. */
  transaction<T>(work: () => Promise<T>): Promise<T>;
  /** Nothing, whatever the work did: to see what it would have done. */
  rehearse<T>(work: () => Promise<T>): Promise<T>;
  /** The same session, at work on another schema of ours. */
  of(own: string): Session;
  /** Session settings for a migration, taken back by close(). Not before the session is known to be one. */
  configure(): Promise<void>;
  /**
   * Works as the role that logged in, where that one's sessions begin as another (ALTER ROLE ... SET role). To PostgreSQL a
   * session belongs to the role that logged in: another one may neither see what it does nor cancel it.
   */
  actAsLogin(): Promise<void>;
  close(): Promise<void>;
}

/** For what reads the catalog over any connection. */
export function askSession(session: Session): Ask {
  return (text, values) => session.query(text, values);
}

/** No statement_timeout and no lock_timeout: an index takes as long as it takes, and its waits stall nobody. */
const SETTINGS: Readonly<Record<string, string>> = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // Between two tries for a lock, and beside a build, a session has nothing to do for a while.
  idle_session_timeout: '0',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  client_min_messages: 'warning',
  // A build takes one core and not all of them: live traffic needs the others more than the index is urgent.
  max_parallel_maintenance_workers: '0',
};

/** Not every server knows them; then it is as it was. */
const SETTINGS_OF_SOME_SERVERS: Readonly<Record<string, string>> = {
  // A backend in the middle of a statement doesn't notice that its client was killed: it would go on holding the lock
  // of all runners, for hours if it waits for a transaction. Not on every system.
  client_connection_check_interval: '1s',
  // Since PostgreSQL 17.
  transaction_timeout: '0',
};

/** @throws NotConnectedError */
export async function openSession(connection: Connection, applicationName: string): Promise<Session> {
  const client = await connectClient(connection, applicationName);
  const searchPath = searchPathOf(connection);
  const state: SessionState = { settings: new Set(), searchPath, enclosed: searchPath !== undefined };
  return new PgSession(client, state);
}

interface SessionState {
  /** What was set for the session. */
  readonly settings: Set<string>;
  readonly searchPath: string | undefined;
  /** It isn't known yet to be a session: what is set goes along with each transaction. */
  enclosed: boolean;
}

class PgSession implements Session {
  readonly own: string;
  readonly #client: pg.Client;
  readonly #state: SessionState;

  constructor(client: pg.Client, state: SessionState, own = DEFAULT_OWN) {
    this.#client = client;
    this.#state = state;
    this.own = own;
  }

  of(own: string): Session {
    return new PgSession(this.#client, this.#state, own);
  }

  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    if (!this.#state.enclosed) return this.#query(text, values);
    return this.#within(() => this.#query<Row>(text, values), 'COMMIT');
  }

  async #query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    const result = await (values === undefined
      ? this.#client.query(text)
      : this.#client.query(text, [...values]));
    return result.rows as Row[];
  }

  transaction<T>(work: () => Promise<T>): Promise<T> {
    return this.#within(work, 'COMMIT');
  }

  rehearse<T>(work: () => Promise<T>): Promise<T> {
    return this.#within(work, 'ROLLBACK');
  }

  async #within<T>(work: () => Promise<T>, end: 'COMMIT' | 'ROLLBACK'): Promise<T> {
    const { enclosed, searchPath } = this.#state;
    // Said each time: a role's own defaults may be otherwise.
    await this.#query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
    this.#state.enclosed = false;
    try {
      if (enclosed) await this.#query(`SELECT set_config('search_path', $1, true)`, [searchPath]);
      const result = await work();
      await this.#query(end);
      return result;
    } catch (error) {
      // Where the connection is gone the server rolls back by itself; the first error is the one that tells.
      await this.#query('ROLLBACK').catch(() => undefined);
      throw error;
    } finally {
      this.#state.enclosed = enclosed;
    }
  }

  async configure(): Promise<void> {
    const { searchPath } = this.#state;
    for (const [name, value] of Object.entries(SETTINGS)) await this.#set(name, value);
    if (searchPath !== undefined) await this.#set('search_path', searchPath);
    this.#state.enclosed = false;
    for (const [name, value] of Object.entries(SETTINGS_OF_SOME_SERVERS)) {
      await this.#set(name, value).catch(() => undefined);
    }
  }

  actAsLogin(): Promise<void> {
    return this.#set('role', 'none');
  }

  async #set(name: string, value: string): Promise<void> {
    await this.#query('SELECT set_config($1, $2, false)', [name, value]);
    this.#state.settings.add(name);
  }

  async close(): Promise<void> {
    // The session of the embedded PostgreSQL outlives its clients, and so does that of a pooler in session mode.
    const reset = [...this.#state.settings].map((name) => `RESET ${name};`).join(' ');
    if (reset !== '') await this.#query(reset).catch(() => undefined);
    await this.#client.end().catch(() => undefined);
  }
}

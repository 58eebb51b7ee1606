import pg from 'pg';
import { NotConnectedError } from '../store/errors.js';

/** A `postgres://` URL, or the parts of the embedded server. */
export type Connection =
  | string
  | {
      readonly host: string;
      readonly port?: number;
      readonly user: string;
      readonly database: string;
      readonly password?: string;
    };

/** One connection, which is one session of the server: session locks and settings are what a migration stands on. */
export interface Session {
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** All or nothing. */
  transaction<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Set while a migration runs, and taken back afterwards: the embedded PostgreSQL is one session for all its clients.
 * No statement_timeout, because an index takes as long as it takes.
 */
const SETTINGS = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  client_min_messages: 'warning',
};

/** @throws NotConnectedError */
export async function openSession(connection: Connection, applicationName: string): Promise<Session> {
  const client = new pg.Client({
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  // A lost connection also fails the statement that is running, or the next one: there it is handled.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw new NotConnectedError('no connection to PostgreSQL', { cause: error });
  }
  const query = async <Row>(text: string, values?: readonly unknown[]): Promise<Row[]> => {
    const result = values === undefined ? await client.query(text) : await client.query(text, [...values]);
    return result.rows as Row[];
  };
  for (const [name, value] of Object.entries(SETTINGS)) {
    await query('SELECT set_config($1, $2, false)', [name, value]);
  }
  return {
    query,
    async transaction(work) {
      await query('BEGIN');
      try {
        const result = await work();
        await query('COMMIT');
        return result;
      } catch (error) {
        // Where the connection is gone the server rolls back by itself; the first error is the one that tells.
        await query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    },
    async close() {
      const reset = Object.keys(SETTINGS).map((name) => `RESET ${name};`);
      await query(reset.join(' ')).catch(() => undefined);
      await client.end();
    },
  };
}

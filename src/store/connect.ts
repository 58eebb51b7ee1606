import pg from 'pg';
import { NotConnectedError } from './errors.js';

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

/** A command of an operator's may wait longer than a refresh. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * One connection outside of any pool.
 *
 * @param queryTimeoutMs after which a server that doesn't answer is given up; undefined: never
 * @throws NotConnectedError
 */
export async function connectClient(
  connection: Connection,
  applicationName: string,
  queryTimeoutMs?: number,
  connectTimeoutMs = CONNECT_TIMEOUT_MS,
): Promise<pg.Client> {
  const client = new pg.Client({
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
    application_name: applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    ...(queryTimeoutMs === undefined ? {} : { query_timeout: queryTimeoutMs }),
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
  return client;
}

/** Whether the connection broke: what `pg` says in words, and Node in codes. */
export function isConnectionError(error: unknown): boolean {
  return (
    error instanceof Error &&
    (/connection (terminated|ended)|connection error|not queryable|query read timeout/i.test(error.message) ||
      ('code' in error && typeof error.code === 'string' && /^E[A-Z]+$/.test(error.code)))
  );
}

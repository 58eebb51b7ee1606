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

interface ClientOptions {
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  readonly queryTimeoutMs: number | undefined;
}

/** What `pg` is told of a connection, whoever opens it. */
function clientConfig(connection: Connection, options: ClientOptions): pg.ClientConfig {
  const { applicationName, connectTimeoutMs, queryTimeoutMs } = options;
  return {
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
    application_name: applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    ...(queryTimeoutMs === undefined ? {} : { query_timeout: queryTimeoutMs }),
    keepAlive: true,
  };
}

/** A pool whose connections are opened as all others are; `more` is what the pool wants for itself. */
export function openPool(
  connection: Connection,
  options: ClientOptions,
  more: Omit<pg.PoolConfig, keyof pg.ClientConfig>,
  keepAliveMs: number,
): pg.Pool {
  return new pg.Pool({
    ...clientConfig(connection, options),
    keepAliveInitialDelayMillis: keepAliveMs,
    ...more,
  });
}

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
  const client = new pg.Client(
    clientConfig(connection, { applicationName, connectTimeoutMs, queryTimeoutMs }),
  );
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

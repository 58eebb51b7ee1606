import pg from 'pg';
import { ConnectRoute, type Attempt } from './connect-route.js';
import { readDatabaseUrl, type DatabaseHost, type DatabaseTarget } from './database-url.js';
import {
  defaultSocketDirectory,
  osUser,
  passwordFromFile,
  tlsOptions,
  type TlsOptions,
} from './libpq-files.js';
import { servedBy } from './stalled.js';

/** The parts of the embedded server. */
interface EmbeddedParts {
  readonly host: string;
  readonly port?: number;
  readonly user: string;
  readonly database: string;
  readonly password?: string;
}

/** What a URL says, with or without what libpq's environment adds, or the embedded server. */
export type Connection = string | DatabaseTarget | EmbeddedParts;

interface ClientOptions {
  readonly applicationName: string;
  /** For each host that is tried; a URL's connect_timeout may only shorten it. */
  readonly connectTimeoutMs: number;
  readonly queryTimeoutMs: number | undefined;
}

/** A command of an operator's may wait longer than a refresh; a URL's connect_timeout says how long. */
const COMMAND_CONNECT_TIMEOUT_MS = 10_000;

/**
 * After so long without a word the other end is asked whether it is there; Node gives up 10 s later. A connection is
 * kept for as long as its statement may run: one that leads nowhere any more must not be.
 */
const KEEP_ALIVE_MS = 10_000;

/** A pool whose connections are opened as all others are. */
export interface RoutedPool {
  readonly pool: pg.Pool;
  /** @throws NotConnectedError */
  connect(): Promise<pg.PoolClient>;
}

/** @param more what the pool wants for itself */
export function openPool(
  connection: Connection,
  options: ClientOptions,
  more: Omit<pg.PoolConfig, keyof pg.ClientConfig | 'onConnect'> & {
    readonly onConnect: (client: pg.ClientBase) => unknown;
  },
): RoutedPool {
  const target = targetOf(connection);
  const route = new ConnectRoute(target);
  const Client = class extends RoutedClient {
    constructor() {
      super(target, route.current, options);
    }
  };
  // The pool waits for the promise, but @types/pg says void.
  const onConnect: (client: pg.ClientBase) => unknown = async (client) => {
    await route.accept(client);
    await more.onConnect(client);
  };
  const pool = new pg.Pool({
    ...more,
    Client,
    connectionTimeoutMillis: timeoutOf(target, options.connectTimeoutMs),
    onConnect,
  });
  return {
    pool,
    connect: () => route.through(() => pool.connect()),
  };
}

/**
 * One connection outside of any pool.
 *
 * @param queryTimeoutMs after which a server that doesn't answer is given up; undefined: never
 * @throws NotConnectedError
 */
export function connectClient(
  connection: Connection,
  applicationName: string,
  queryTimeoutMs?: number,
  connectTimeoutMs?: number,
): Promise<pg.Client> {
  const target = targetOf(connection);
  const options = {
    applicationName,
    queryTimeoutMs,
    connectTimeoutMs: connectTimeoutMs ?? target.connectTimeoutMs ?? COMMAND_CONNECT_TIMEOUT_MS,
  };
  const route = new ConnectRoute(target);
  return route.through(async (attempt) => {
    const client = new RoutedClient(target, attempt, options);
    // A lost connection also fails the statement that is running, or the next one: there it is handled.
    client.on('error', () => undefined);
    try {
      await client.connect();
      await route.accept(client);
      await follow(client, target.searchPath);
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  });
}

/** Behind a pooler a session's settings are anybody's: there whoever needs the search path sets it for a transaction. */
async function follow(client: pg.Client, searchPath: string | undefined): Promise<void> {
  if (searchPath === undefined || (await servedBy(client)).pooled) return;
  await client.query(`SELECT set_config('search_path', $1, false)`, [searchPath]);
}

/** In the words of @types/pg. */
type Connected = ((error: Error) => void) | ((error: null, client: pg.Client) => void);

/** A client of `pg` that is told everything: what it isn't told it takes from the environment, and reads in its own way. */
class RoutedClient extends pg.Client {
  readonly #unreadable: Error | undefined;

  constructor(target: DatabaseTarget, { host, tls }: Attempt, options: ClientOptions) {
    const { files, unreadable } = filesOf(target, host, tls);
    const bound = { offered: false };
    const place = host.address ?? (host.host === '' ? defaultSocketDirectory(host.port) : host.host);
    super({
      host: place,
      port: host.port,
      user: target.user,
      database: target.database,
      // Asked for where the server wants one.
      password: async () => {
        if (target.channelBinding && !bound.offered) throw new Error(NO_CHANNEL_BINDING);
        const password =
          (await target.passwordSource?.fetch()) ?? target.password ?? (await passwordFromFile(target, host));
        if (password === undefined) throw new Error(NO_PASSWORD);
        return password;
      },
      ssl: files ?? false,
      sslnegotiation: target.sslDirect ? 'direct' : 'postgres',
      enableChannelBinding: target.channelBinding,
      application_name: target.applicationName ?? options.applicationName,
      ...(target.options === undefined ? {} : { options: target.options }),
      connectionTimeoutMillis: timeoutOf(target, options.connectTimeoutMs),
      ...(options.queryTimeoutMs === undefined ? {} : { query_timeout: options.queryTimeoutMs }),
      keepAlive: target.keepAlive,
      keepAliveInitialDelayMillis: target.keepAliveIdleMs ?? KEEP_ALIVE_MS,
    });
    this.#unreadable = unreadable;
    if (!target.channelBinding) return;
    const { connection } = this as unknown as { connection: NodeJS.EventEmitter };
    connection.prependListener('authenticationSASL', ({ mechanisms }: { mechanisms: readonly string[] }) => {
      bound.offered = mechanisms.includes('SCRAM-SHA-256-PLUS');
    });
    // Whoever asks for no password proves nothing either.
    connection.prependListener('authenticationOk', () => {
      if (!bound.offered) connection.emit('error', new Error(NO_CHANNEL_BINDING));
    });
  }

  override connect(): Promise<pg.Client>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<pg.Client> | undefined {
    const unreadable = this.#unreadable;
    if (callback === undefined)
      return unreadable === undefined ? super.connect() : Promise.reject(unreadable);
    if (unreadable === undefined) super.connect(callback);
    else process.nextTick(callback, unreadable);
    return undefined;
  }
}

/** A pool makes clients in places where nobody could catch an error: that a file can't be read is told by `connect`. */
function filesOf(
  target: DatabaseTarget,
  host: DatabaseHost,
  tls: boolean,
): { readonly files?: TlsOptions; readonly unreadable?: Error } {
  if (!tls) return {};
  try {
    return { files: tlsOptions(target, host) };
  } catch (error) {
    return { unreadable: error as Error };
  }
}

/** In pg's words: it says the same of an empty one. */
const NO_PASSWORD = 'client password must be given';
const NO_CHANNEL_BINDING = 'channel_binding=require, and the server offers none';

function timeoutOf({ connectTimeoutMs = Infinity }: DatabaseTarget, ownMs: number): number {
  const ms = Math.min(connectTimeoutMs, ownMs);
  // For pg no timeout is 0.
  return ms === Infinity ? 0 : ms;
}

/** The search path that a connection is to have; undefined: what the role's and the database's defaults say. */
export function searchPathOf(connection: Connection): string | undefined {
  return targetOf(connection).searchPath;
}

function targetOf(connection: Connection): DatabaseTarget {
  if (typeof connection === 'string') return readDatabaseUrl(connection, { env: {}, osUser: osUser() });
  if ('hosts' in connection) return connection;
  const { host, port = 5432, user, database, password } = connection;
  return {
    ...readDatabaseUrl(`postgres://embedded@/?sslmode=disable`, { env: {}, osUser: undefined }),
    hosts: [{ host, port, address: undefined }],
    user,
    database,
    password,
  };
}

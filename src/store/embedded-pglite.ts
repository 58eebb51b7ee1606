/**
 * PGlite and its socket server, loaded by name at run time: their own declarations need those of browsers and of
 * Emscripten, which this package doesn't have. What is used of them is declared here, and nothing else.
 */
export interface PGliteInstance {
  /** Hands messages of the wire protocol to PostgreSQL. What comes back goes to `onRawData`. */
  execProtocolRawStream(
    message: Uint8Array,
    options: { readonly onRawData: (data: Uint8Array) => void },
  ): Promise<void>;
  /** Runs `work` when nobody else is talking to PostgreSQL. */
  runExclusive<T>(work: () => Promise<T>): Promise<T>;
  exec(sql: string): Promise<unknown>;
  close(): Promise<void>;
}

interface SocketServer {
  addEventListener(event: 'connection', listener: () => void): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface SocketServerOptions {
  readonly db: PGliteInstance;
  /** A unix socket or a named pipe. */
  readonly path: string;
  readonly maxConnections: number;
}

export async function createPGlite(dataDir: string): Promise<PGliteInstance> {
  const { PGlite } = (await import(import.meta.resolve('@electric-sql/pglite'))) as {
    PGlite: { create(options: { readonly dataDir: string }): Promise<PGliteInstance> };
  };
  return PGlite.create({ dataDir });
}

export async function createSocketServer(options: SocketServerOptions): Promise<SocketServer> {
  const { PGLiteSocketServer } = (await import(import.meta.resolve('@electric-sql/pglite-socket'))) as {
    PGLiteSocketServer: new (options: SocketServerOptions) => SocketServer;
  };
  return new PGLiteSocketServer(options);
}

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGate } from './embedded-gate.js';

/** Where the embedded PostgreSQL is reached: on every system by this user alone. */
export interface EmbeddedAddress {
  /** What PGlite's socket server listens at. */
  readonly listenAt: string;
  /** What `pg` is told. */
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
    readonly password?: string;
  };
  release(): Promise<void>;
}

/** `pg` takes a host that begins with a slash for a directory, and looks there for the socket of this name. */
const PORT = 5432;
const SOCKET = `.s.PGSQL.${PORT}`;

/** sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS and the BSDs, the last of them a zero. */
const MAX_SOCKET_PATH_BYTES = 103;

const ROLE = { user: 'postgres', database: 'postgres' } as const;

/** @param dataDir a directory with mode 0700 that this process has locked */
export async function chooseAddress(dataDir: string): Promise<EmbeddedAddress> {
  if (process.platform === 'win32') return gated(`\\\\.\\pipe\\carelink-tokens-${secret()}`);
  // Left by a process that was killed; it would be "in use".
  await rm(join(dataDir, SOCKET), { force: true });
  if (await canListen(join(dataDir, SOCKET))) return inDirectory(dataDir, () => Promise.resolve());
  // Too deep, or a file system without sockets. mkdtemp makes a directory with mode 0700.
  const directory = await mkdtemp(join(tmpdir(), 'carelink-'));
  return inDirectory(directory, () => rm(directory, { recursive: true, force: true }));
}

/** A password on a loopback port, and behind it a pipe that nobody can guess. */
export async function gated(listenAt: string): Promise<EmbeddedAddress> {
  const password = secret();
  const gate = await openGate(listenAt, password);
  return {
    listenAt,
    connection: { host: '127.0.0.1', port: gate.port, password, ...ROLE },
    release: () => gate.close(),
  };
}

function inDirectory(directory: string, release: () => Promise<void>): EmbeddedAddress {
  const connection = { host: directory, port: PORT, ...ROLE };
  return { listenAt: join(directory, SOCKET), connection, release };
}

async function canListen(path: string): Promise<boolean> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) return false;
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(path, () => probe.close(() => resolve(true)));
  });
}

function secret(): string {
  return randomBytes(16).toString('hex');
}

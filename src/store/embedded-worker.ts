/**
 * PGlite in a thread of its own: it is synchronous WebAssembly, and would hold up every request of this process.
 *
 * Durability, from PGlite 0.5.14's sources and by killing it: every commit is written to the WAL with write(2)
 * before it is answered, so it outlives this process, however that ends (kill -9 included); the next start replays
 * it. Nothing is ever fsynced, though: PGlite passes `-F`, and its fdatasync does nothing. After a power cut or a
 * crash of the operating system the last commits may be missing, and the cluster may be damaged. Hence
 * "embedded is for trying out, for tests and for one small site that can afford that".
 */
import { parentPort, workerData } from 'node:worker_threads';
import {
  beginCluster,
  clusterPath,
  completeCluster,
  discardUnfinished,
  inspectCluster,
} from './embedded-cluster.js';
import { createPGlite, createSocketServer } from './embedded-pglite.js';

export interface EmbeddedWorkerData {
  /** A directory that this process holds the lock of. */
  readonly dataDir: string;
  /** A unix socket's path, or a named pipe. */
  readonly listenAt: string;
}

/** What the worker tells; any message to it means "stop". */
export interface FromWorker {
  readonly kind: 'listening' | 'stopped';
}

/**
 * A pool of one client still opens its next connection before the last one is gone, when it drops one that failed
 * (evidence: with 1 here that was an ECONNRESET, with 3 never).
 */
const MAX_CONNECTIONS = 3;

const { dataDir, listenAt } = workerData as EmbeddedWorkerData;

if (inspectCluster(dataDir) !== 'complete') {
  beginCluster(dataDir);
  discardUnfinished(dataDir);
}
const db = await createPGlite(clusterPath(dataDir));
completeCluster(dataDir);

// The socket server would leave all later queries waiting for ever (its queue stops at the first that throws). What
// throws here isn't a query that failed, which is an answer, but WebAssembly that broke: this thread ends of it.
const run = db.execProtocolRawStream.bind(db);
db.execProtocolRawStream = async (...args) => {
  try {
    await run(...args);
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
    throw error;
  }
};

const server = await createSocketServer({ db, path: listenAt, maxConnections: MAX_CONNECTIONS });

/**
 * PGlite is one session: a new connection would inherit what the last one prepared, set and locked, and its first
 * named statement would fail with "already exists". This is queued before the connection's first message, and runs
 * in one piece.
 */
server.addEventListener('connection', () => {
  void db.runExclusive(async () => {
    await say('ROLLBACK');
    await say('DISCARD ALL');
  });
});

await server.start();

parentPort?.once('message', () => void stop());
send({ kind: 'listening' });

async function stop(): Promise<void> {
  await server.stop();
  // A clean end: the next start has no WAL to replay.
  await db.exec('CHECKPOINT');
  await db.close();
  send({ kind: 'stopped' });
}

/** A simple query whose answer nobody reads. (Without a reader of its own it would go to the last connection's.) */
function say(sql: string): Promise<void> {
  const text = Buffer.from(`${sql}\0`);
  const message = Buffer.alloc(5 + text.length);
  message.write('Q');
  message.writeInt32BE(4 + text.length, 1);
  text.copy(message, 5);
  return db.execProtocolRawStream(message, { onRawData: () => undefined });
}

function send(message: FromWorker): void {
  parentPort?.postMessage(message);
}

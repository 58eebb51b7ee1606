import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { chooseAddress, type EmbeddedAddress } from './embedded-address.js';
import { diskTrouble } from './disk-trouble.js';
import { WAY_OUT } from './embedded-cluster.js';
import { DataDirectoryError, EmbeddedError } from './embedded-errors.js';
import type { EmbeddedWorkerData, FromWorker } from './embedded-worker.js';

export interface EmbeddedOptions {
  /** A directory that this process holds the lock of: see `openDataDirectory`. */
  readonly dataDir: string;
  /** The compiled worker, for a caller that runs from TypeScript sources. */
  readonly workerUrl?: URL;
  /** Ends it at once, as a kill does, for as long as what is started with it has not come up. */
  readonly signal?: AbortSignal;
}

export interface Embedded {
  /** For `pg`, with a pool of one: PGlite is one session (rule 15). */
  readonly connection: EmbeddedAddress['connection'];
  /** Ends PGlite with a checkpoint; what takes longer than 10 s is cut off, and replayed at the next start. */
  stop(): Promise<void>;
  /** Rejects with an EmbeddedError when PGlite ends by itself. */
  readonly failed: Promise<never>;
}

/** A checkpoint of what a site of this size writes takes well under a second. */
const STOP_TIMEOUT_MS = 10_000;

/**
 * Starts the embedded PostgreSQL: PGlite in a worker thread, behind a socket that only this user can reach.
 * See embedded-worker.ts for what it holds after a crash.
 *
 * @throws EmbeddedError
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const address = await chooseAddress(options.dataDir);
  const workerData: EmbeddedWorkerData = {
    dataDir: options.dataDir,
    listenAt: address.listenAt,
  };
  options.signal?.throwIfAborted();
  const url = options.workerUrl ?? new URL('../store/embedded-worker.js', import.meta.url);
  // Flags of `node` are for the main thread: some of them (--input-type, --import) would keep a worker from starting.
  const worker = new Worker(url, { workerData, name: 'embedded-postgresql', execArgv: [] });
  const failed = failureOf(worker, options.dataDir);
  // Whoever doesn't ask for it must not be ended by it.
  failed.catch(() => undefined);
  options.signal?.addEventListener('abort', () => void worker.terminate(), { once: true });
  try {
    await Promise.race([told(worker, 'listening'), failed]);
  } catch (error) {
    await worker.terminate();
    await address.release();
    options.signal?.throwIfAborted();
    throw await notStarted(options.dataDir, error);
  }
  return {
    connection: address.connection,
    failed,
    stop: async () => {
      const stopped = told(worker, 'stopped');
      worker.postMessage('stop');
      const bound = sleep(STOP_TIMEOUT_MS, undefined, { ref: false });
      await Promise.race([stopped, failed.catch(() => undefined), bound]);
      await worker.terminate();
      await address.release();
    },
  };
}

/** Damaged files are the last thing to think of: a disk without room or without writing makes PGlite fail the same way. */
async function notStarted(dataDir: string, cause: unknown): Promise<EmbeddedError | DataDirectoryError> {
  const trouble = await diskTrouble(dataDir);
  if (trouble?.kind === 'full') return new EmbeddedError(trouble.message, { cause });
  if (trouble !== undefined)
    return new DataDirectoryError('DATA_DIRECTORY_UNUSABLE', trouble.message, { cause });
  return new EmbeddedError(
    `The embedded PostgreSQL in ${dataDir} does not start (${reasonOf(cause)}). ` +
      `Its files may be damaged: keep a copy of them, and do not delete pgdata alone. ${WAY_OUT}`,
    { cause },
  );
}

/** PGlite reports what failed in WebAssembly in many words; the first line tells the kind. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? (cause.message.split('\n')[0] ?? '').slice(0, 200) : 'no reason given';
}

function failureOf(worker: Worker, dataDir: string): Promise<never> {
  return new Promise((_, reject) => {
    let broke = false;
    worker.once('error', (cause) => {
      broke = true;
      void diskTrouble(dataDir).then((trouble) => {
        const message = trouble?.message ?? 'The embedded PostgreSQL broke. Start the server again.';
        reject(new EmbeddedError(message, { cause }));
      });
    });
    // An error is followed by the end.
    worker.once('exit', () => broke || reject(new EmbeddedError('The embedded PostgreSQL has ended.')));
  });
}

async function told(worker: Worker, kind: FromWorker['kind']): Promise<void> {
  for (;;) {
    const [message] = (await once(worker, 'message')) as [FromWorker];
    if (message.kind === kind) return;
  }
}

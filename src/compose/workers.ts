import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { CommandError, type FailureExitCode } from '../config/errors.js';
import type { FileTexts } from '../config/reader.js';
import { describeError } from '../observe/errors.js';
import type { Log } from '../observe/log.js';
import type { WorkerCounts } from '../observe/merged-observations.js';
import { LONGEST_DELAY_MS, RestartPolicy } from './restart-policy.js';
import type { SentRenewal } from './renewal.js';
import type { Answers, FromPrimary, FromWorker, Question } from './worker-messages.js';

export interface WorkersOptions {
  readonly count: number;
  /** How long a worker may take to finish what is in flight; then it is killed. */
  readonly stopTimeoutMs: number;
  readonly monotonicMs: () => number;
  readonly log: Log;
  /** What its settings are made of, as this process has read them. */
  readonly files: FileTexts;
  /** A worker listens. */
  readonly onListening: () => Promise<void> | undefined;
  /** A worker has died for good: what it counted is to be kept. */
  readonly onDeath: (workerId: number) => void;
}

/** One that is busy for longer is not waited for: the others' answers are worth more than its own. */
const ANSWER_TIMEOUT_MS = 1_000;

/** A key takes milliseconds to import. One that is busy for longer than this answers no refresh either. */
const RENEWAL_TIMEOUT_MS = 5_000;

/** A worker ends by itself within its --shutdown-timeout; this is for one that doesn't. */
const KILL_AFTER_MS = 5_000;

interface Living {
  readonly worker: Worker;
  /** Undefined: it doesn't listen yet. */
  listeningSinceMs: number | undefined;
  /** Why it could not start, where it said so. */
  notStarted: Extract<FromWorker, { kind: 'not_started' }> | undefined;
}

/** A service that a worker needs is away: nothing is wrong with the worker. */
const SERVICE_AWAY: FailureExitCode = 4;

/** It waited for the service by itself before (--database-wait). */
const AWAY_DELAY_MS = 2_000;

/** The processes that share a port: started, watched, started again when they die, and stopped in order. */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #restarts = new RestartPolicy();
  readonly #living = new Map<number, Living>();
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  /** Keys and certificate, where they have been read again since the start. */
  #renewal: SentRenewal | undefined;
  #asked = 0;
  #deaths = 0;
  #stopping = false;
  #onStopped: () => void = () => undefined;
  #onComplete: () => void = () => undefined;
  #fail: (error: CommandError) => void = () => undefined;
  /** Rejects when workers die again and again, or the first of them could not start. */
  readonly failed: Promise<never>;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.failed = new Promise((_, reject) => (this.#fail = reject));
    this.failed.catch(() => undefined);
  }

  /** Starts one, and when that listens the others: what is wrong with all of them is then told once. */
  async start(signal: AbortSignal): Promise<{ readonly url: string }> {
    // Each accepts for itself. Node's own dealing out has the primary hand connections over, and one that is on its
    // way when its worker is killed is never answered and never closed (docs/decisions/0007).
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.on('exit', this.#onExit);
    const { count } = this.#options;
    const calledOff = once(signal, 'abort').then(() => signal.throwIfAborted());
    calledOff.catch(() => undefined);
    const complete = new Promise<void>((resolve) => (this.#onComplete = resolve));
    const listening = this.#launch();
    await Promise.race([listening, this.failed, calledOff]);
    for (let n = 1; n < count; n++) void this.#launch();
    await Promise.race([complete, this.failed, calledOff]);
    return listening;
  }

  get counts(): WorkerCounts {
    return { listening: this.#listening.length, wanted: this.#options.count, deaths: this.#deaths };
  }

  /** What each worker that listens answers; undefined: nothing in time. */
  ask<Q extends Question>(what: Q): Promise<(readonly [workerId: number, answer: Answers[Q] | undefined])[]> {
    return Promise.all(
      this.#listening.map(async ([id, { worker }]) => {
        const answer = await this.#await(
          worker,
          (question) => ({ kind: 'ask', id: question, what }),
          ANSWER_TIMEOUT_MS,
        );
        // A worker answers what it was asked.
        return [id, answer as Answers[Q] | undefined] as const;
      }),
    );
  }

  /**
   * Gives all of them, and those that are started later, keys and a certificate. Returns the process ids of those that
   * listen and have not confirmed it in time. One that is starting takes them before it listens.
   */
  async renew(renewal: SentRenewal): Promise<number[]> {
    this.#renewal = renewal;
    const order = (id: number): FromPrimary => ({ kind: 'renew', id, renewal });
    for (const { worker, listeningSinceMs } of this.#living.values()) {
      if (listeningSinceMs === undefined) tell(worker, order(this.#asked++));
    }
    const confirmed = await Promise.all(
      this.#listening.map(async ([id, { worker }]) => {
        const taken = (await this.#await(worker, order, RENEWAL_TIMEOUT_MS)) === true;
        // Another one is started in the place of one that is gone.
        return taken || !this.#living.has(id) ? [] : [worker.process.pid ?? 0];
      }),
    );
    return confirmed.flat();
  }

  /** Lets all of them say that they won't serve for long. */
  drain(): void {
    for (const { worker } of this.#living.values()) tell(worker, { kind: 'drain' });
  }

  /** Lets all of them finish what is in flight. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const timer = setTimeout(() => {
      this.#options.log.error('workers_killed', { count: this.#living.size });
      for (const { worker } of this.#living.values()) worker.process.kill('SIGKILL');
    }, this.#options.stopTimeoutMs + KILL_AFTER_MS);
    const stopped = new Promise<void>((resolve) => (this.#onStopped = resolve));
    for (const { worker } of this.#living.values()) tell(worker, { kind: 'stop' });
    if (this.#living.size > 0) await stopped;
    clearTimeout(timer);
    cluster.off('exit', this.#onExit);
  }

  /** Resolves when it listens; never, where it dies before. */
  #launch(): Promise<{ readonly url: string }> {
    const worker = cluster.fork();
    const living: Living = { worker, listeningSinceMs: undefined, notStarted: undefined };
    this.#living.set(worker.id, living);
    return new Promise((resolve) => {
      worker.on('error', () => undefined);
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'listening') {
          living.listeningSinceMs = this.#options.monotonicMs();
          this.#options.log.info('worker_listening', { worker: worker.process.pid ?? 0 });
          this.#options
            .onListening()
            ?.catch((error: unknown) => this.#options.log.error('socket_not_placed', describeError(error)));
          if (this.#stopping) tell(worker, { kind: 'stop' });
          resolve({ url: message.url });
          if (this.counts.listening === this.#options.count) this.#onComplete();
        } else if (message.kind === 'not_started') {
          living.notStarted = message;
        } else if (message.kind === 'here') {
          const renewal = this.#renewal === undefined ? {} : { renewal: this.#renewal };
          tell(worker, { kind: 'begin', files: this.#options.files, ...renewal });
        } else {
          const answer = message.kind === 'renewed' ? message.taken : message.answer;
          this.#waiting.get(message.id)?.(answer);
        }
      });
    });
  }

  readonly #onExit = (worker: Worker, code: number | null, signal: string | null): void => {
    const living = this.#living.get(worker.id);
    if (living === undefined) return;
    const { log, monotonicMs, onDeath } = this.#options;
    this.#living.delete(worker.id);
    onDeath(worker.id);
    if (this.#stopping) {
      if (this.#living.size === 0) this.#onStopped();
      return;
    }
    this.#deaths++;
    const { listeningSinceMs, notStarted } = living;
    const never = listeningSinceMs === undefined;
    // None has ever served: the next one would say the same. Why is what the command ends with, and said there alone.
    if (never && this.#deaths === 1 && this.#living.size === 0 && notStarted !== undefined) {
      this.#fail(new CommandError(notStarted.code, exitCodeOf(notStarted.exitCode), notStarted.message));
      return;
    }
    log.error('worker_died', {
      worker: worker.process.pid ?? 0,
      end: signal ?? String(code ?? 'unknown'),
      ...(never ? {} : { duration_ms: Math.round(monotonicMs() - listeningSinceMs) }),
      ...(notStarted === undefined ? {} : { error_code: notStarted.code, cause: notStarted.message }),
    });
    if (never && this.#deaths === 1 && this.#living.size === 0) {
      this.#fail(new CommandError('WORKER_NOT_STARTED', exitCodeOf(code), NOT_STARTED));
      return;
    }
    // No restart mends it, and one that serves on would undo log-outs.
    if (notStarted?.code === 'TABLES_THERE' && this.counts.listening === 0) {
      this.#fail(new CommandError(notStarted.code, SERVICE_AWAY, notStarted.message));
      return;
    }
    const away = notStarted?.exitCode === SERVICE_AWAY;
    const delayMs = away ? AWAY_DELAY_MS : this.#restarts.died(never ? 0 : monotonicMs() - listeningSinceMs);
    // A server in which others serve is not ended for one that can't; WORKER_DIED stays raised meanwhile.
    if (delayMs === undefined && this.counts.listening === 0) {
      this.#fail(new CommandError('WORKERS_DIE', 1, DIE_AGAIN_AND_AGAIN));
      return;
    }
    setTimeout(() => {
      if (!this.#stopping) void this.#launch();
    }, delayMs ?? LONGEST_DELAY_MS);
  };

  get #listening(): (readonly [workerId: number, living: Living])[] {
    return [...this.#living].filter(([, { listeningSinceMs }]) => listeningSinceMs !== undefined);
  }

  /** What it answers to a message; undefined: nothing in time. */
  async #await(worker: Worker, message: (id: number) => FromPrimary, timeoutMs: number): Promise<unknown> {
    const id = this.#asked++;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<unknown>((resolve) => {
        timer = setTimeout(() => resolve(undefined), timeoutMs);
        this.#waiting.set(id, resolve);
        tell(worker, message(id));
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }
}

const NOT_STARTED =
  'The workers could not be started: the first of them ended at once. The log says with what (worker_died).';
const DIE_AGAIN_AND_AGAIN =
  'The workers die again and again, whatever is done about it: the log says with what (worker_died).';

/** One that dies at this moment is told nothing; its exit says so. */
function tell(worker: Worker, message: FromPrimary): void {
  if (worker.isConnected()) worker.send(message, () => undefined);
}

function exitCodeOf(code: number | null): FailureExitCode {
  return code === 2 || code === 3 || code === 4 || code === 5 || code === 6 ? code : 1;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { Places } from './places.js';
import { StoreUnavailableError, type TokenKey } from './ports.js';
import { Trails } from './trails.js';

export interface WalksOptions {
  /** How long a request may take. 0: as long as it wants, for an operator. */
  readonly requestTimeoutMs: number;
  readonly monotonicMs: () => number;
}

/**
 * Long walks at the same time: one, at a pace that leaves refreshes both cores of a small machine. Two would each take
 * twice as long.
 */
const LONG_WALKS = 1;

/** Who has not had a place by then is told to come again: what was asked is over soon after the asking is. */
const LONGEST_WAIT_MS = 1_000;

/**
 * How long after a walk the same token is not walked again. The walk has closed what there is: those who present it again and
 * again wait, and refreshes don't wait for them. No more than an eighth of a request's time.
 */
const LONGEST_REST_MS = 500;
const REST_SHARE = 1 / 8;

interface Shared<T> {
  readonly result: Promise<T>;
  deadlineMs: number;
}

/** How much time a walk has, and what it passes first. */
export interface Leave {
  readonly giveUpMs: number;
  readonly deadlineMs: number;
  /** @throws StoreUnavailableError */
  readonly beforeLongWay: () => Promise<void>;
}

/**
 * The walks of one process: one a user at a time, for two tokens of a user are of one family as a rule, and the second
 * walk begins where the first one ended. Whoever asks for the walk of a token that hasn't begun yet shares it; one that
 * is under way may have looked already where something came to be since.
 */
export class Walks {
  readonly trails = new Trails();
  readonly #options: WalksOptions;
  readonly #long: Places;
  /** By user: settles when the last walk of those that were asked for has ended. */
  readonly #lines = new Map<string, Promise<void>>();
  /** By the token's id: walks that have not begun. */
  readonly #asked = new Map<string, Shared<unknown>>();
  /** By the token's id, the earliest first: when its last walk ended. */
  readonly #endedMs = new Map<string, number>();
  readonly #restMs: number;

  constructor(options: WalksOptions) {
    this.#options = options;
    this.#restMs = Math.min(LONGEST_REST_MS, options.requestTimeoutMs * REST_SHARE);
    this.#long = new Places(LONG_WALKS, options.monotonicMs);
  }

  get monotonicMs(): () => number {
    return this.#options.monotonicMs;
  }

  /**
   * @param walk begins when it is this token's turn and its last walk is some time ago, unless the time has become too short:
   *   half of a request's is kept for it, and half of that for what is to be done where it ends before a tip
   * @throws StoreUnavailableError, or what the walk throws
   */
  share<T>(subject: TokenKey, deadlineMs: number, walk: (leave: Leave) => Promise<T>): Promise<T> {
    const { jti, userKey } = subject;
    const asked = this.#asked.get(jti) as Shared<T> | undefined;
    if (asked !== undefined) {
      asked.deadlineMs = Math.max(asked.deadlineMs, deadlineMs);
      return asked.result;
    }
    const begin = (): Promise<T> => {
      this.#asked.delete(jti);
      return this.#begin(shared.deadlineMs, walk);
    };
    const key = userKey === undefined ? `token ${jti}` : `user ${userKey}`;
    const restMs = this.#restLeftMs(jti);
    const shared: Shared<T> = {
      deadlineMs,
      result: restMs > 0 ? sleep(restMs).then(() => this.#inLine(key, begin)) : this.#inLine(key, begin),
    };
    this.#asked.set(jti, shared);
    void shared.result.then(
      () => this.#hasEnded(jti),
      () => undefined,
    );
    return shared.result;
  }

  #inLine<T>(key: string, begin: () => Promise<T>): Promise<T> {
    const result = (this.#lines.get(key) ?? Promise.resolve()).then(begin);
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    this.#lines.set(key, ended);
    void ended.then(() => {
      if (this.#lines.get(key) === ended) this.#lines.delete(key);
    });
    return result;
  }

  #restLeftMs(jti: string): number {
    const endedMs = this.#endedMs.get(jti);
    return endedMs === undefined ? 0 : endedMs + this.#restMs - this.#options.monotonicMs();
  }

  #hasEnded(jti: string): void {
    const nowMs = this.#options.monotonicMs();
    this.#endedMs.delete(jti);
    this.#endedMs.set(jti, nowMs);
    for (const [other, endedMs] of this.#endedMs) {
      if (endedMs > nowMs - this.#restMs) break;
      this.#endedMs.delete(other);
    }
  }

  async #begin<T>(deadlineMs: number, walk: (leave: Leave) => Promise<T>): Promise<T> {
    const { requestTimeoutMs, monotonicMs } = this.#options;
    const latestMs = deadlineMs - requestTimeoutMs / 2;
    if (monotonicMs() > latestMs) throw new StoreUnavailableError('other walks took the time');
    let giveBack: () => void = () => undefined;
    try {
      return await walk({
        deadlineMs,
        giveUpMs: deadlineMs - requestTimeoutMs / 4,
        beforeLongWay: async () => {
          giveBack = await this.#long.take(Math.min(latestMs, monotonicMs() + LONGEST_WAIT_MS));
        },
      });
    } finally {
      giveBack();
    }
  }
}

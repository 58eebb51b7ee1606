/**
 * Decides about a refresh before anything of it is read: whether it can be answered in its time. A refusal here costs an
 * eighth of a refresh; after its signatures were computed it would cost a half.
 */
export interface DoorOptions {
  /** A refresh that comes now would wait too long for its statement. */
  readonly storeIsBusy: (nowMs: number) => boolean;
  /** How long a signature would wait for the threads that compute it. */
  readonly signatureWaitMs: () => number;
  /** How long what arrives waits to be read. */
  readonly lagMs: (nowMs: number) => number;
  /** Refreshes that wait for the store, or for other instances: what waits there says nothing of this process. */
  readonly inStore: () => number;
  /** How long a refresh may wait for this process: for its signatures, and for Redis. */
  readonly maxWaitMs: number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  /** So many more were refused; told now and then, for counting each of them costs a tenth of refusing it. */
  readonly onRefused: (count: number) => void;
}

const TELL_AFTER_MS = 100;

/**
 * From where on requests that have waited to be read are refused, and where all of them are: the share grows in between,
 * for a door that only opens and closes swings. A busy machine holds a process up for a tenth of a second now and then.
 */
const LAG_FREE_MS = 250;
const LAG_FULL_MS = 750;

/**
 * The share of its time that a process which can't keep up may spend on answering refusals; reading them costs as much
 * again. A refusal isn't free: at several times what one processor bears there would soon be nothing but refusals. Whoever
 * can't be refused is let in, which costs more and is worth it.
 */
const REFUSALS_SHARE = 0.1;
const REFUSALS_MOST_MS = 50;

/** How often the pace is measured anew: long enough for some batches, short enough to follow a burst. */
const WINDOW_MS = 100;

/**
 * Refreshes that must be at work all through a window, or its pace is the load's and not this process's; and that must
 * have come within half a second, or it isn't they that hold this process up.
 */
const BUSY = 64;

/** What each window leaves of those before it. */
const KEPT = 0.8;

/** Clients wait no longer than this before they repeat (TokenManager's bound, too). */
const RETRY_AFTER_MOST_SECONDS = 10;

export class Door {
  readonly #options: DoorOptions;
  #paidMs = REFUSALS_MOST_MS;
  #paidAtMs = -Infinity;
  #untold = 0;
  #tell: NodeJS.Timeout | undefined;
  #inside = 0;
  #windowMs = -Infinity;
  #answered = 0;
  #refused = 0;
  #fewest = 0;
  /** Milliseconds an answer, of this process alone; 0: it was never busy in the last window. */
  #msPerAnswer = 0;
  /** Of about the last half second. */
  #lately = { answered: 0, refused: 0 };

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  /** Whether a refresh may come in. */
  admits(): boolean {
    const { storeIsBusy, signatureWaitMs, maxWaitMs, monotonicMs } = this.#options;
    const nowMs = monotonicMs();
    const isSlow = this.#working * this.#msPerAnswer > maxWaitMs || signatureWaitMs() > maxWaitMs;
    if (!isSlow && !storeIsBusy(nowMs) && !this.#isLate(nowMs)) return true;
    // Else a pace that was measured once would keep everybody out for good.
    if (nowMs - this.#windowMs > WINDOW_MS) this.#roll(nowMs);
    this.#refused++;
    this.#untold++;
    this.#tell ??= setTimeout(() => this.#tellOf(), TELL_AFTER_MS);
    return false;
  }

  /** A refusal took so long. */
  paid(ms: number): void {
    this.#paidMs -= ms;
  }

  enters(): void {
    this.#inside++;
  }

  leaves(): void {
    this.#fewest = Math.min(this.#fewest, this.#working);
    this.#inside--;
    this.#answered++;
    const nowMs = this.#options.monotonicMs();
    if (nowMs - this.#windowMs > WINDOW_MS) this.#roll(nowMs);
  }

  /** It came in, and was refused where it would have had to wait. */
  refusedInside(): void {
    this.#refused++;
    this.#answered--;
  }

  /**
   * When a client that is refused should come again: drawn, and from a wider range the more come for each that is
   * answered, so that they don't come back together.
   */
  retryAfterSeconds(): number {
    const { answered, refused } = this.#lately;
    if (refused + this.#refused < 1) return 1;
    const overload = 1 + (refused + this.#refused) / Math.max(1, answered + this.#answered);
    const most = Math.min(RETRY_AFTER_MOST_SECONDS, Math.ceil(2 * overload));
    return 1 + Math.floor(this.#options.random() * most);
  }

  #tellOf(): void {
    this.#tell = undefined;
    this.#options.onRefused(this.#untold);
    this.#untold = 0;
  }

  /** Whether this one is to be refused because what arrives waits too long to be read. */
  #isLate(nowMs: number): boolean {
    const { lagMs, random } = this.#options;
    const share = (lagMs(nowMs) - LAG_FREE_MS) / (LAG_FULL_MS - LAG_FREE_MS);
    if (share <= 0 || random() > share) return false;
    const came = this.#inside + this.#answered + this.#refused + this.#lately.answered + this.#lately.refused;
    return came >= BUSY && this.#affords(nowMs);
  }

  /** Whether there is time left for another refusal. */
  #affords(nowMs: number): boolean {
    const earnedMs = REFUSALS_SHARE * (nowMs - this.#paidAtMs);
    this.#paidMs = Math.min(REFUSALS_MOST_MS, this.#paidMs + earnedMs);
    this.#paidAtMs = nowMs;
    return this.#paidMs > 0;
  }

  /** Refreshes that this process works at, or that wait for it. */
  get #working(): number {
    return this.#inside - this.#options.inStore();
  }

  #roll(nowMs: number): void {
    const busy = this.#fewest >= BUSY;
    // Nothing came out, and there is much inside: the pace will be known when something does.
    if (busy && this.#answered <= 0) return;
    this.#msPerAnswer = busy ? (nowMs - this.#windowMs) / this.#answered : 0;
    const { answered, refused } = this.#lately;
    this.#lately = {
      answered: KEPT * answered + this.#answered,
      refused: KEPT * refused + this.#refused,
    };
    this.#windowMs = nowMs;
    this.#answered = 0;
    this.#refused = 0;
    this.#fewest = this.#working;
  }
}

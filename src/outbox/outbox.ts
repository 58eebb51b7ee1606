import { before } from '../rotation/context.js';
import {
  StoreUnavailableError,
  type Claim,
  type Claimed,
  type DatabaseClock,
  type Outbox,
  type Written,
} from '../rotation/ports.js';
import type { ClaimStream, ClaimWriter, DeadLetterBox, OutboxObserver } from './ports.js';
import { Receipts } from './receipts.js';

/**
 * What was claimed in Redis and answered, and isn't in the database yet.
 *
 * Each instance writes its own claims, from its own memory and in the order in which it took them; the stream in Redis
 * has them too, and is there for the instance that dies: another one takes its entries over (take-over.ts). So nothing
 * is lost unless Redis' data and the instance go together, and neither a flushed nor a stopped Redis holds up a row.
 * Writing is idempotent and needs no order among instances (store/write-behind-sql.ts).
 */
export interface OutboxOptions {
  readonly writer: ClaimWriter;
  readonly stream: ClaimStream;
  readonly deadLetters: DeadLetterBox;
  /** Deals with a claim that turned out to have lost (rotation/late-claims.ts). Rejects where that has to be tried again. */
  readonly late: (claim: Claim, written: Written) => Promise<void>;
  readonly maxOwed: number;
  readonly encode: (claim: Claim) => string;
  readonly clock: DatabaseClock;
  readonly requestTimeoutMs: number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  readonly observe: OutboxObserver;
  /** A user's tokens couldn't be closed in Redis: what it calls active isn't to be believed here. */
  readonly onUnclosed: () => void;
}

/** Claims that may be owed: about 30 MB, and some seconds of full speed. Beyond it refreshes are answered 503. */
export const MAX_OWED = 20_000;

/** How long a claim waits for others to share its statement: nobody waits for it. */
const GATHER_MS = 20;

const RETRY_MS = 500;

/** Log-outs of an outage: beyond it only the change feed tells the other instances. */
const MAX_UNCLOSED = 10_000;

interface Owed {
  readonly claim: Claim;
  readonly partition: number;
  readonly entryId: string;
  readonly takenAtMs: number;
  readonly done: Promise<void>;
  readonly finish: () => void;
}

export class WriteBehind implements Outbox {
  readonly #options: OutboxOptions;
  readonly #receipts: Receipts;
  /** In the order in which they were taken. */
  readonly #owed = new Map<string, Owed>();
  /** Logged out or revoked, and Redis doesn't know: user -> what was made before this time (us) is closed. */
  readonly #unclosed = new Map<string | undefined, number>();
  #gathering: Owed[] = [];
  #gather: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#receipts = new Receipts(options.stream, options.monotonicMs);
  }

  get depth(): number {
    return this.#owed.size;
  }

  /** How long the oldest claim has been owed (ms). */
  get lagMs(): number {
    for (const { takenAtMs } of this.#owed.values()) return this.#options.monotonicMs() - takenAtMs;
    return 0;
  }

  hasRoom(): boolean {
    return this.#owed.size < this.#options.maxOwed;
  }

  owed(jti: string): Claimed | undefined {
    const claim = this.#owed.get(jti)?.claim;
    return claim && { claimedAtUs: claim.claimedAtUs, successorJti: claim.successor.jti };
  }

  /** From now on the claim is written, whatever it takes. `entryId`: '' where it isn't known. */
  owe(claim: Claim, partition: number, entryId: string): void {
    // A second claim of a token, or its entry again: it is written when the first one is.
    const key = this.#owed.has(claim.jti) ? `${claim.jti} ${claim.claimedAtUs} ${entryId}` : claim.jti;
    if (key !== claim.jti && (this.#owed.has(key) || this.#isSame(claim, entryId))) return;
    let finish: () => void = () => undefined;
    const done = new Promise<void>((resolve) => (finish = resolve));
    const owed = { claim, partition, entryId, takenAtMs: this.#options.monotonicMs(), done, finish };
    this.#owed.set(key, owed);
    this.#gathering.push(owed);
    this.#gather ??= setTimeout(() => this.#send(), GATHER_MS);
    void done.then(() => this.#owed.delete(key));
  }

  async write(claim: Claim, deadlineMs: number): Promise<void> {
    const owed = this.#owed.get(claim.jti);
    if (owed?.claim.claimedAtUs === claim.claimedAtUs) {
      this.#send();
      await before(this.#options, deadlineMs, owed.done);
      return;
    }
    await this.#writeThrough(claim, deadlineMs);
  }

  async closeUser(userKey: string | undefined, deadlineMs: number): Promise<void> {
    const claims = [...((await this.noteUser(userKey)) ?? [])];
    const found = new Set(claims.map(({ jti, claimedAtUs }) => `${jti} ${claimedAtUs}`));
    for (const { claim } of this.#owed.values()) {
      if (claim.userKey === userKey && !found.has(`${claim.jti} ${claim.claimedAtUs}`)) claims.push(claim);
    }
    // Written here, whoever owes them: a claim of ours that is being dealt with may be what waits for this.
    await Promise.all(claims.map((claim) => this.#writeThrough(claim, deadlineMs)));
  }

  /**
   * From now on no token of the user that stands is claimed without the database, for as long as a revocation may take:
   * what is made meanwhile is believed no sooner. Returns what is to be written of the user.
   */
  async noteUser(userKey: string | undefined): Promise<readonly Claim[] | undefined> {
    const { stream, clock, requestTimeoutMs, onUnclosed } = this.#options;
    const sinceUs = clock.nowUs() + requestTimeoutMs * 1000;
    const claims = await stream.close(userKey, sinceUs);
    if (claims === undefined) {
      onUnclosed();
      if (this.#unclosed.size < MAX_UNCLOSED) this.#unclosed.set(userKey, sinceUs);
    }
    return claims;
  }

  /** Closes users in Redis that it couldn't be told of when they were logged out; to be called now and then. */
  async closeAgain(): Promise<void> {
    for (const [userKey, sinceUs] of this.#unclosed) {
      if ((await this.#options.stream.close(userKey, sinceUs)) === undefined) return;
      if (this.#unclosed.get(userKey) === sinceUs) this.#unclosed.delete(userKey);
    }
  }

  /** Writes what is owed, at most so long. Returns how many claims are left: they stay in the stream for others. */
  async drain(timeoutMs: number): Promise<number> {
    const { monotonicMs } = this.#options;
    this.#send();
    const deadlineMs = monotonicMs() + timeoutMs;
    while (this.#owed.size > 0 && monotonicMs() < deadlineMs) {
      const all = Promise.all([...this.#owed.values()].map(({ done }) => done));
      await before(this.#options, deadlineMs, all).catch(() => undefined);
    }
    this.#stopped = true;
    if ((await this.#receipts.deliver()) && this.#owed.size === 0) await this.#options.stream.leave();
    return this.#owed.size;
  }

  async #writeThrough(claim: Claim, deadlineMs: number): Promise<void> {
    const written = await this.#options.writer.write(claim, deadlineMs);
    if (written.kind === 'refused') throw new StoreUnavailableError('the database refuses a claim');
  }

  #isSame(claim: Claim, entryId: string): boolean {
    const owed = this.#owed.get(claim.jti);
    return owed?.claim.claimedAtUs === claim.claimedAtUs && owed.entryId === entryId;
  }

  #send(): void {
    clearTimeout(this.#gather);
    this.#gather = undefined;
    const batch = this.#gathering;
    this.#gathering = [];
    for (const owed of batch) void this.#carryOut(owed);
  }

  /** Never rejects: what fails is tried again, until it is done or this process ends. */
  async #carryOut(owed: Owed): Promise<void> {
    const { observe, monotonicMs, random } = this.#options;
    while (!this.#stopped) {
      try {
        const outcome = await this.#writeOut(owed.claim);
        observe.onWritten(outcome, monotonicMs() - owed.takenAtMs);
        this.#receipts.add(owed.partition, owed.entryId, owed.claim.jti);
        owed.finish();
        return;
      } catch (error) {
        observe.onTrouble(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS * (0.5 + random())).unref());
      }
    }
  }

  async #writeOut(claim: Claim): Promise<Written['kind'] | 'dead_letter'> {
    const { writer, deadLetters, late, encode } = this.#options;
    const written = await writer.write(claim, Infinity);
    if (written.kind === 'refused') {
      await deadLetters.keep(encode(claim), written.code);
      return 'dead_letter';
    }
    // Whoever isn't told of changes finds it here, and what came of the claim is refused by the database. So is what came
    // of a token that Redis called active and was not: its claim called the successor so, which may be spent as well, and
    // a thief would go from an old token to the live one, claim by claim.
    if (!written.stands || written.kind === 'double') await this.noteUser(claim.userKey);
    await late(claim, written);
    return written.kind;
  }
}

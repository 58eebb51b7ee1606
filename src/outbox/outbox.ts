import { before } from '../rotation/context.js';
import {
  StoreUnavailableError,
  type Claim,
  type Claimed,
  type DatabaseClock,
  type Outbox,
  type Written,
} from '../rotation/ports.js';
import type { Letters } from './letters.js';
import type { ClaimStream, ClaimWriter, OutboxObserver } from './ports.js';
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
  readonly letters: Letters;
  /** Deals with a claim that turned out to have lost (rotation/late-claims.ts). Rejects where that has to be tried again. */
  readonly late: (claim: Claim, written: Written) => Promise<void>;
  readonly maxOwed: number;
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

/**
 * How often a claim is refused before it becomes a letter, after a second or two. Until then it is where every claim is
 * that isn't written: in Redis and in this process's memory. A letter is tried again as well (letter-retry.ts).
 */
const REFUSALS = 3;

/** Where so many are refused at the same time it is no matter of one row, and trying each again would only be load. */
const MANY_REFUSED = 20;

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
  /** Claims that were refused, and are tried again. */
  readonly #refused = new Set<Owed>();
  #draining = false;
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
    return this.#owed.size + this.#options.letters.size < this.#options.maxOwed;
  }

  owed(jti: string): Claimed | undefined {
    const claim = this.#owed.get(jti)?.claim;
    if (claim === undefined) return this.#options.letters.claimed(jti);
    return { claimedAtUs: claim.claimedAtUs, successorJti: claim.successor.jti };
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

  async write(claim: Claim, deadlineMs: number): Promise<'written' | 'refused'> {
    const { letters, writer } = this.#options;
    const owed = this.#owed.get(claim.jti);
    if (owed?.claim.claimedAtUs === claim.claimedAtUs) {
      this.#send();
      await before(this.#options, deadlineMs, owed.done);
      return letters.holds(claim) ? 'refused' : 'written';
    }
    if (letters.holds(claim)) return 'refused';
    return (await writer.write(claim, deadlineMs)).kind === 'refused' ? 'refused' : 'written';
  }

  async closeUser(userKey: string | undefined, deadlineMs: number): Promise<void> {
    const claims = [...((await this.noteUser(userKey)) ?? [])];
    const found = new Set(claims.map(({ jti, claimedAtUs }) => `${jti} ${claimedAtUs}`));
    for (const { claim } of this.#owed.values()) {
      if (claim.userKey === userKey && !found.has(`${claim.jti} ${claim.claimedAtUs}`)) claims.push(claim);
    }
    claims.push(...(await this.#lettersOf(userKey)));
    // Written here, whoever owes them: a claim of ours that is being dealt with may be what waits for this.
    await Promise.all(claims.map((claim) => this.#writeThrough(claim, deadlineMs)));
  }

  async #lettersOf(userKey: string | undefined): Promise<readonly Claim[]> {
    try {
      return await this.#options.letters.ofUser(userKey);
    } catch (error) {
      throw new StoreUnavailableError('the letters could not be read', { cause: error });
    }
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
    this.#draining = true;
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
    const { observe, monotonicMs, random, letters } = this.#options;
    for (let refusals = 0; !this.#stopped;) {
      let pauseMs = RETRY_MS;
      try {
        const written = await this.#writeOut(owed.claim, Infinity);
        const refused = written.kind === 'refused';
        if (refused && ++refusals < REFUSALS && !this.#draining && this.#refused.size < MANY_REFUSED) {
          if (refusals === 1) this.#refused.add(owed);
          observe.onRefused(written.code);
          pauseMs = RETRY_MS * 2 ** (refusals - 1);
        } else {
          if (refused) await letters.keep(owed.claim, written.code);
          const outcome = refused ? 'dead_letter' : written.kind;
          observe.onWritten(outcome, monotonicMs() - owed.takenAtMs);
          // The letter keeps a refused claim from here on; Redis goes on saying that its token is claimed.
          this.#refused.delete(owed);
          this.#receipts.add(owed.partition, owed.entryId, refused ? undefined : owed.claim.jti);
          owed.finish();
          return;
        }
      } catch (error) {
        observe.onTrouble(error);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + random())).unref());
    }
  }

  /** Writes what a letter keeps; false where it is refused still. Rejects where it can't be told now. */
  async writeLetter(claim: Claim): Promise<boolean> {
    const { clock, monotonicMs, requestTimeoutMs, observe, stream } = this.#options;
    const written = await this.#writeOut(claim, monotonicMs() + requestTimeoutMs);
    if (written.kind === 'refused') return false;
    observe.onWritten(written.kind, Math.max(0, clock.nowUs() - claim.claimedAtUs) / 1000);
    await stream.written(claim);
    return true;
  }

  async #writeOut(claim: Claim, deadlineMs: number): ReturnType<ClaimWriter['write']> {
    const { writer, late } = this.#options;
    const written = await writer.write(claim, deadlineMs);
    if (written.kind === 'refused') return written;
    // Whoever isn't told of changes finds it here, and what came of the claim is refused by the database. So is what came
    // of a token that Redis called active and was not: its claim called the successor so, which may be spent as well, and
    // a thief would go from an old token to the live one, claim by claim.
    if (!written.stands || written.kind === 'double') await this.noteUser(claim.userKey);
    await late(claim, written);
    return written;
  }
}

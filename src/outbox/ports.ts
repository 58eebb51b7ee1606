import type { Claim, Written } from '../rotation/ports.js';

/** What the outbox needs from outside; store and cache implement it. */

/** Writes claims' rows; see store/write-behind.ts. */
export interface ClaimWriter {
  /**
   * `refused`: the database does not take this one, and may when somebody has mended what keeps it out. `stands` false: the user is inactive or gone, or the token is
   * revoked. Rejects where it can't at the moment.
   */
  write(
    claim: Claim,
    deadlineMs: number,
  ): Promise<(Written & { readonly stands: boolean }) | { readonly kind: 'refused'; readonly code: string }>;
}

export interface StreamEntry {
  readonly partition: number;
  readonly id: string;
  /** Undefined: no claim that can be read. */
  readonly claim: Claim | undefined;
  readonly text: string;
}

/** Where all instances see what is owed; see cache/outbox-stream.ts. Nothing here rejects. */
export interface ClaimStream {
  readonly partitions: number;
  takeOver(partition: number): Promise<readonly StreamEntry[] | undefined>;
  settle(partition: number, entryIds: readonly string[], jtis: readonly string[]): Promise<boolean>;
  /** A claim whose entry is gone is written. */
  written(claim: Claim): Promise<boolean>;
  close(userKey: string | undefined, sinceUs: number): Promise<readonly Claim[] | undefined>;
  leave(): Promise<void>;
}

/** Keeps what the database refuses to write; see store/dead-letters.ts. All of it rejects with `pg`'s error. */
export interface LetterBox {
  /** The letter's id; undefined where the same entry is kept already. */
  keep(entry: string, code: string): Promise<string | undefined>;
  /** How many there are, a blank, and the sum of their ids: whether it is worth asking for the ids. */
  fingerprint(): Promise<string>;
  ids(): Promise<readonly string[]>;
  read(ids: readonly string[]): Promise<readonly { readonly id: string; readonly entry: string }[]>;
  remove(ids: readonly string[]): Promise<void>;
}

/** How the writing of one claim ended. */
export type WriteOutcome = Written['kind'] | 'dead_letter';

export interface OutboxObserver {
  /** `lagMs`: from the claim's being taken, here, to its rows' being there. */
  onWritten(outcome: WriteOutcome, lagMs: number): void;
  /** The database refuses a claim, with this SQLSTATE; it is tried again. */
  onRefused(code: string): void;
  /** Something went wrong, and is tried again. */
  onTrouble(error: unknown): void;
}

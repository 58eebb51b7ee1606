import type { Letters } from './letters.js';
import type { ClaimStream, OutboxObserver } from './ports.js';
import { MAX_OWED, type WriteBehind } from './outbox.js';

export interface TakeOverOptions {
  readonly outbox: WriteBehind;
  readonly stream: ClaimStream;
  readonly letters: Letters;
  readonly observe: Pick<OutboxObserver, 'onTrouble'>;
  readonly random: () => number;
}

/** Half of the partitions a second: what a dead instance left is found in two, once it has lain for 2.5 s. */
const EVERY_MS = 1_000;
const PARTITIONS_A_ROUND = 128;
const AT_ONCE = 32;

/** Looks for entries whose instance died, or never heard that Redis had taken its claim, and writes them. */
export class TakeOver {
  readonly #options: TakeOverOptions;
  #next: number;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();

  constructor(options: TakeOverOptions) {
    this.#options = options;
    // Instances that start together mustn't all look at the same place.
    this.#next = Math.floor(options.random() * options.stream.partitions);
  }

  /** Looks everywhere at once, then goes round. */
  start(): void {
    this.#schedule(0, this.#options.stream.partitions);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#round;
  }

  #schedule(inMs: number, partitions: number): void {
    this.#timer = setTimeout(() => {
      this.#round = this.#look(partitions).finally(() => {
        if (this.#timer === undefined) return;
        this.#schedule(EVERY_MS * (0.5 + this.#options.random()), PARTITIONS_A_ROUND);
      });
    }, inMs).unref();
  }

  async #look(partitions: number): Promise<void> {
    const { outbox, stream } = this.#options;
    for (let looked = 0; looked < partitions; looked += AT_ONCE) {
      // One that has trouble with its own claims helps nobody.
      if (outbox.depth > MAX_OWED / 4) return;
      const some = Array.from({ length: AT_ONCE }, (_, n) => (this.#next + n) % stream.partitions);
      this.#next = (this.#next + AT_ONCE) % stream.partitions;
      const found = await Promise.all(some.map((partition) => stream.takeOver(partition)));
      if (found.every((entries) => entries === undefined)) return;
      // What was found is ours now, and nobody else's: a partition that can't be read must not keep it from being written.
      for (const entry of found.flat()) {
        if (entry === undefined) continue;
        if (entry.claim !== undefined) outbox.owe(entry.claim, entry.partition, entry.id);
        else await this.#keepUnreadable(entry.partition, entry.id, entry.text);
      }
    }
  }

  async #keepUnreadable(partition: number, id: string, text: string): Promise<void> {
    const { stream, letters, observe } = this.#options;
    try {
      await letters.keep(text, 'UNREADABLE');
      await stream.settle(partition, [id], []);
    } catch (error) {
      // It stays where it is, and is found again.
      observe.onTrouble(error);
    }
  }
}

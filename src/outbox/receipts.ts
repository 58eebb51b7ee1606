import type { ClaimStream } from './ports.js';

interface Receipt {
  readonly entryId: string;
  /** Undefined: its token stays marked as claimed. */
  readonly jti: string | undefined;
}

/** Written claims that Redis may forget to know of: their entries are then taken over, written once more, and told again. */
const MAX_KEPT = 50_000;

/** One script's keys and arguments at most: Lua can unpack some thousands. */
const MAX_A_SCRIPT = 500;

const RETRY_MS = 500;

/** Tells the stream what is written, by partition; what can't be told now is told later. */
export class Receipts {
  readonly #stream: ClaimStream;
  readonly #monotonicMs: () => number;
  #waiting = new Map<number, Receipt[]>();
  #kept = 0;
  #scheduled = false;
  #restUntilMs = 0;
  #delivering: Promise<boolean> | undefined;

  constructor(stream: ClaimStream, monotonicMs: () => number) {
    this.#stream = stream;
    this.#monotonicMs = monotonicMs;
  }

  add(partition: number, entryId: string, jti: string | undefined): void {
    if (this.#kept >= MAX_KEPT) return;
    this.#kept++;
    const list = this.#waiting.get(partition);
    if (list === undefined) this.#waiting.set(partition, [{ entryId, jti }]);
    else list.push({ entryId, jti });
    this.#schedule();
  }

  /** True where all was told. */
  async deliver(): Promise<boolean> {
    await this.#delivering;
    this.#delivering = this.#deliver();
    return this.#delivering;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const restMs = this.#restUntilMs - this.#monotonicMs();
    const go = (): void => {
      this.#scheduled = false;
      void this.deliver();
    };
    // What one statement wrote is told together.
    if (restMs > 0) setTimeout(go, restMs).unref();
    else setImmediate(go);
  }

  async #deliver(): Promise<boolean> {
    const waiting = this.#waiting;
    this.#waiting = new Map();
    this.#kept = 0;
    const told = await Promise.all(
      [...waiting].map(async ([partition, receipts]) => {
        for (let at = 0; at < receipts.length; at += MAX_A_SCRIPT) {
          const some = receipts.slice(at, at + MAX_A_SCRIPT);
          const ids = some.map(({ entryId }) => entryId);
          const jtis = some.flatMap(({ jti }) => jti ?? []);
          if (await this.#stream.settle(partition, ids, jtis)) continue;
          this.#restUntilMs = this.#monotonicMs() + RETRY_MS;
          for (const { entryId, jti } of receipts.slice(at)) this.add(partition, entryId, jti);
          return false;
        }
        return true;
      }),
    );
    return !told.includes(false);
  }
}

import type { Mark } from '../shadow/verdict.js';
import type { Database } from '../store/database.js';
import { readHorizon, readSettled, type Horizon } from '../store/settled.js';
import type { Site } from './stores.js';

/** Short beside the time between two requests of one token, and four small statements a second. */
const EVERY_MS = 250;

/** An older one tells nothing of a database that has been restored, or failed over, since. */
const STALE_MS = 30_000;

export interface HorizonsOptions {
  readonly database: Database;
  readonly site: Site;
  readonly monotonicMs: () => number;
  /** Whether the database answered. */
  readonly onState: (up: boolean) => void;
}

/** Points in the database's history, taken again and again: by the last before a request it is told what stood when it came. */
export class Horizons {
  readonly #options: HorizonsOptions;
  #last: { readonly horizon: Horizon; readonly atMs: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #up = false;

  constructor(options: HorizonsOptions) {
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#up;
  }

  /** Takes the first, and goes on. @throws whatever keeps it from being taken */
  async start(): Promise<void> {
    await this.#take();
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** How the database stood before now; undefined: nobody knows. */
  mark(): Mark | undefined {
    const last = this.#last;
    const { database, site, monotonicMs } = this.#options;
    if (last === undefined || monotonicMs() - last.atMs > STALE_MS) return undefined;
    return async (asked) => {
      const settled = await readSettled(database, site.schema, asked, last.horizon);
      return { ...settled, isStandby: last.horizon.isStandby };
    };
  }

  async #take(): Promise<void> {
    const horizon = await readHorizon(this.#options.database);
    if (horizon !== undefined) this.#last = { horizon, atMs: this.#options.monotonicMs() };
    this.#tell(true);
  }

  #again(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      void this.#take()
        .catch(() => this.#tell(false))
        .finally(() => this.#again());
    }, EVERY_MS).unref();
  }

  #tell(up: boolean): void {
    this.#up = up;
    if (!this.#stopped) this.#options.onState(up);
  }
}

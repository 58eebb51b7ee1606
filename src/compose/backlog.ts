/** What the metrics say of the rows that are past their retention. */
export interface BacklogOptions {
  /** Counts them in the database. */
  readonly count: () => Promise<number>;
  readonly tell: (rows: number) => void;
}

/**
 * The backlog is the database's, whoever cleans up there: another instance, or the command by hand. So it is counted now
 * and then; only a run of this process tells by itself how far it is, for beyond some ten thousands a count is an
 * estimate, which falls no sooner than the next ANALYZE.
 */
export class Backlog {
  readonly #options: BacklogOptions;
  #atWork = false;
  /** Runs of this process that have begun: a count that began before one says nothing after it. */
  #runs = 0;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /** A run has begun, and found so many. */
  begin(rows: number): void {
    this.#atWork = true;
    this.#runs++;
    this.#options.tell(rows);
  }

  /** So many are left for the run that is at work. */
  left(rows: number): void {
    this.#options.tell(rows);
  }

  /** No run of this process is at work any more, however it ended. */
  end(): void {
    this.#atWork = false;
  }

  /** Counts them, unless a run tells. Never rejects: a database that is away has an alert of its own. */
  async look(): Promise<void> {
    if (this.#atWork) return;
    const runs = this.#runs;
    try {
      const rows = await this.#options.count();
      if (this.#runs === runs) this.#options.tell(rows);
    } catch {
      // What was told last stands.
    }
  }
}

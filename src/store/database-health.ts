import { askOf } from './database.js';
import { classify, troubleOf, type Trouble } from './errors.js';
import { readHealth, type Health, type HealthParts, type HealthReading } from './health.js';
import { fairPauseMs } from './fair-pause.js';
import { CONFIRM_SQL } from './state-sql.js';
import { tableLocks } from './table-locks.js';
import type { Timeline } from './timeline.js';

export interface DatabaseHealthOptions extends HealthParts {
  /** Undefined: the database is this process's own, and nobody else restores it. */
  readonly timeline: Timeline | undefined;
  /** What was said last, and is said no more. */
  readonly onState: (state: Health, before: Health | undefined) => void;
  /** A reading came from a server that takes no writes: there may be another one, and no claim that would find it. */
  readonly onReadOnly?: () => void;
}

/** A claim says more than any reading, for so long. After that there are none, and reading has to do. */
const CLAIM_COUNTS_MS = 5_000;

/** So many readings with the position fail, each beside one without it that doesn't: the role may not look, or there is none. */
const MAX_POSITION_FAILURES = 3;

/** What only a write can meet: reading goes on as if all were well. */
const WRITES_ONLY: ReadonlySet<Health> = new Set(['stalled', 'disk full', 'tables locked']);

/** Claims that meet locks of single rows are many, and each is no reason to look for one of a table. */
const LOCKS_EVERY_MS = 500;

/**
 * Whether the database can do this program's work, by what claims meet and, while there are none, by reading.
 *
 * A disk that is full and a commit that nobody acknowledges are met by writes alone. They are believed until a write
 * succeeds: a claim's, or where no claim comes (a balancer has turned away) one that is made for it.
 */
export class DatabaseHealth {
  readonly #options: DatabaseHealthOptions;
  #state: Health | undefined;
  #met: { readonly trouble: Trouble | 'tables locked'; readonly atMs: number } | undefined;
  #locksSoughtAtMs = -Infinity;
  #reading: Promise<HealthReading> | undefined;
  #anewFromMs = -Infinity;
  #positionFailures = 0;
  #standby = { synchronous: false, mayConfirm: false };

  constructor(options: DatabaseHealthOptions) {
    this.#options = options;
  }

  /** Whether a repeat has to wait for the synchronous standby. There may be one that no reading has seen yet. */
  get confirms(): boolean {
    const { synchronous, mayConfirm } = this.#standby;
    return mayConfirm && (synchronous || this.#met?.trouble === 'stalled');
  }

  /** A statement that writes has come back. One that found its tokens spent has written nothing, and says nothing. */
  onWritten(rows: readonly { readonly won?: boolean }[]): void {
    if (this.#met !== undefined && rows.some(({ won }) => won === true)) this.#recover();
  }

  /** A statement that writes has failed. */
  onFailed(error: unknown): void {
    const trouble = troubleOf(error);
    if (trouble === undefined) {
      if (classify(error).kind === 'contended') void this.#seekLocks();
      return;
    }
    if (trouble === 'stalled' && this.#met?.trouble !== trouble) void this.read();
    this.#met = { trouble, atMs: this.#options.monotonicMs() };
    this.#say(trouble);
  }

  /** What /readyz says. Asks the database unless it is known already. */
  async check(): Promise<Health> {
    const met = this.#met;
    if (met !== undefined && (WRITES_ONLY.has(met.trouble) || this.#isFresh(met.atMs))) return met.trouble;
    return (await this.read()).state;
  }

  /** To be called now and then: the same, and sees to it that what only writes meet isn't believed for ever. */
  async look(): Promise<void> {
    const met = this.#met;
    if (met === undefined || !WRITES_ONLY.has(met.trouble)) {
      await this.check();
    } else {
      await this.read();
      if (!this.#isFresh(met.atMs)) await this.#tryWriting();
    }
  }

  /** Asks now, whatever claims have met: where it stands in its history as well. One at a time. */
  read(): Promise<HealthReading> {
    if (this.#reading === undefined) {
      const { monotonicMs } = this.#options;
      const beganMs = monotonicMs();
      this.#reading = this.#readOnce().finally(() => {
        this.#reading = undefined;
        this.#anewFromMs = monotonicMs() + fairPauseMs(monotonicMs() - beganMs);
      });
    }
    return this.#reading;
  }

  /**
   * The same, asked after this call and not before it. Reuse in a crowd, each asking whether the database was set back,
   * would read without a break: those who come in the pause after a reading share the next.
   */
  async readAnew(): Promise<HealthReading> {
    await this.#reading;
    const pauseMs = this.#anewFromMs - this.#options.monotonicMs();
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    return this.read();
  }

  async #readOnce(): Promise<HealthReading> {
    const { timeline } = this.#options;
    const position = timeline !== undefined && this.#positionFailures < MAX_POSITION_FAILURES;
    let reading = await readHealth(this.#options, { position });
    if (position && (reading.state === 'tables missing' || reading.state === 'grants missing')) {
      reading = await readHealth(this.#options, { position: false });
      if (reading.state === 'ok' || reading.state === 'read only') this.#positionFailures++;
    } else if (reading.position !== null) {
      this.#positionFailures = 0;
    }
    timeline?.observe(reading.position);
    if (reading.state === 'read only') this.#options.onReadOnly?.();
    this.#standby = reading.standby ?? this.#standby;
    if (this.#met !== undefined && !WRITES_ONLY.has(this.#met.trouble)) this.#met = undefined;
    if (this.#met === undefined) this.#say(reading.state);
    return reading;
  }

  /** A claim met a lock: of a row, which is one user's affair, or of a whole table. Reading waits only for the strongest of these. */
  async #seekLocks(): Promise<void> {
    const { monotonicMs } = this.#options;
    if (monotonicMs() - this.#locksSoughtAtMs < LOCKS_EVERY_MS) return;
    this.#locksSoughtAtMs = monotonicMs();
    if (!(await this.#isLocked().catch(() => false))) return;
    this.#met = { trouble: 'tables locked', atMs: monotonicMs() };
    this.#say('tables locked');
  }

  async #isLocked(): Promise<boolean> {
    const { database, schema } = this.#options;
    return 'outstanding' in schema && (await tableLocks(askOf(database), schema)).length > 0;
  }

  /** Whether what only writes meet is over. */
  async #tryWriting(): Promise<void> {
    if (this.#met?.trouble !== 'tables locked') return this.#write();
    // Where nobody answers, it is another trouble, and read as such.
    if (!(await this.#isLocked().catch(() => true))) this.#recover();
  }

  /** The smallest write there is. */
  async #write(): Promise<void> {
    try {
      await this.#options.database.query('health', { text: CONFIRM_SQL });
      this.#recover();
    } catch (error) {
      if (troubleOf(error) !== undefined) this.onFailed(error);
      else this.#met = undefined;
    }
  }

  #recover(): void {
    this.#met = undefined;
    this.#say('ok');
  }

  #isFresh(atMs: number): boolean {
    return this.#options.monotonicMs() - atMs < CLAIM_COUNTS_MS;
  }

  #say(state: Health): void {
    const before = this.#state;
    if (state === before) return;
    this.#state = state;
    this.#options.onState(state, before);
  }
}

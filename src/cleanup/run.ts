import { readBacklog, readCutoff, type Backlog } from './backlog.js';
import { runBatch } from './batch.js';
import { nextRowSql, START, type Cursor, type Cutoff } from './batch-sql.js';
import type { Facts } from './catalog.js';
import { rowAfterRow } from './errors.js';
import type { CleanupEvent, Ended, Summary } from './events.js';
import { RENEW_EVERY_MS, type Lease, type LeaseTiming } from './lease.js';
import { afterBatch, afterRefusal, pauseAfter, startPace, type Pace, type PaceSettings } from './pace.js';
import { judge, NO_PRESSURE, type Pressure } from './pressure.js';
import { Readers } from './readers.js';
import type { CleanupSession } from './session.js';
import { Surroundings } from './surroundings.js';
import { Tally } from './tally.js';

export interface RunOptions {
  readonly pace: PaceSettings;
  /** How long ago a token must have expired. */
  readonly ageMs: number;
  /** Of that, what tokens may live longer than their rows say. */
  readonly extraMs: number;
  readonly maxRows: number | undefined;
  readonly maxDurationMs: number | undefined;
  readonly ignoredStandbys: readonly string[];
  readonly timing: LeaseTiming;
  readonly emit: (event: CleanupEvent) => void;
  readonly signal: AbortSignal | undefined;
}

/** A look at the surroundings costs some 2 ms: at most a five-hundredth of the time. */
const LOOK_EVERY_MS = 1_000;

/** A backlog that was too large to count is counted again that often, from where the run stands. */
const COUNT_EVERY_MS = 30_000;

/** How often progress is told. */
const TELL_EVERY_MS = 1_000;

/** An index build on a large table may well take that long; what lasts longer is for people to see to. */
const LONGEST_STOP_MS = 60 * 60_000;

/** Rows in a row that can't be had even by themselves: then it isn't about rows. */
const MOST_STEPPED_OVER = 100;

/** Each of them is found by itself, in some ms; they come first in each run. A trigger that refuses all is to be told. */
const MOST_PROTECTED = 1_000;

/** Then a batch goes through all the same: where somebody reads all the time, that says nothing about these rows. */
const PATIENCE_WITH_READERS = 5;

const HELD = 'another transaction has locked it';

/** After a refusal: those who were in the way get time to finish. */
const RETRY_PAUSE_MS = 50;

/** Removes what has expired, batch by batch. To be called by the holder of the lease. */
export async function run(
  session: CleanupSession,
  facts: Facts,
  lease: Lease,
  options: RunOptions,
): Promise<Summary> {
  const cutoff = await readCutoff(session.query, options.ageMs);
  return new Run(session, facts, lease, options, cutoff).run();
}

/**
 * The state of a run. The cursor only moves forward: scanning from the start for every batch would wade through the
 * index entries of all that is gone already.
 */
class Run {
  readonly #session: CleanupSession;
  readonly #facts: Facts;
  readonly #lease: Lease;
  readonly #options: RunOptions;
  readonly #cutoff: Cutoff;
  readonly #surroundings: Surroundings;
  readonly #readers: Readers;
  readonly #tally: Tally;
  #cursor: Cursor = START;
  #pace: Pace;
  #pressure: Pressure = NO_PRESSURE;
  #lookedAtMs = -Infinity;
  #renewedAtMs = 0;
  #toldAtMs = 0;
  #countedAtMs = 0;
  /** How many rows there were at the start was counted, not guessed. */
  #exact = false;
  #steppedOverInARow = 0;
  #readersInARow = 0;
  /** The last batch met a lock: the next one goes round it. */
  #skipHeld = false;

  constructor(session: CleanupSession, facts: Facts, lease: Lease, options: RunOptions, cutoff: Cutoff) {
    this.#session = session;
    this.#facts = facts;
    this.#lease = lease;
    this.#options = options;
    this.#cutoff = cutoff;
    this.#pace = startPace(options.pace);
    this.#surroundings = new Surroundings(
      session.query,
      facts,
      options.timing.monotonicMs,
      options.ignoredStandbys,
    );
    this.#readers = new Readers(
      session.query,
      facts,
      { monotonicMs: options.timing.monotonicMs, sleep: (ms) => options.timing.sleep(ms) },
      (hidden) => options.emit({ event: 'sessions_hidden', ...hidden }),
    );
    this.#tally = new Tally(options.timing.monotonicMs());
  }

  async run(): Promise<Summary> {
    const { emit } = this.#options;
    const backlog = await this.#count();
    emit({
      event: 'started',
      cutoff: this.#cutoff.at,
      backlogRows: backlog.rows,
      backlogExact: backlog.exact,
      extraLifetimeMs: this.#options.extraMs,
    });
    if (backlog.rows === 0) return this.#summary('done', 0);
    if (!this.#facts.embedded) await this.#surroundings.calibrate();
    this.#renewedAtMs = this.#now();
    const ended = await this.#work();
    // Those that stay are for the next run, too.
    if (ended !== 'done') await this.#count();
    const ahead = ended === 'done' ? 0 : this.#tally.leftRows;
    return this.#summary(
      ended,
      ahead + this.#tally.kept + this.#tally.steppedOver + this.#tally.protectedRows,
    );
  }

  async #work(): Promise<Ended> {
    for (;;) {
      const stop = (await this.#giveWay()) ?? this.#budgetEnd();
      if (stop !== undefined) return stop;
      const outcome = await runBatch(this.#session, this.#facts, this.#lease, {
        cursor: this.#cursor,
        cutoff: this.#cutoff,
        limit: Math.min(this.#pace.size, this.#rowsAllowed()),
        skipHeld: this.#skipHeld,
        heedReaders: this.#readersInARow < PATIENCE_WITH_READERS,
        settledReaders: this.#readers.settled,
        sleep: (waitMs) => this.#options.timing.sleep(waitMs),
        monotonicMs: this.#options.timing.monotonicMs,
      });
      this.#renewedAtMs = this.#now();
      switch (outcome.kind) {
        case 'end':
          return 'done';
        case 'committed':
          this.#cursor = outcome.cursor;
          this.#steppedOverInARow = 0;
          this.#readersInARow = 0;
          this.#skipHeld = false;
          this.#pace = afterBatch(this.#options.pace, this.#pace, outcome.seen, outcome.took);
          this.#tally.committed(outcome, outcome.took.ms);
          for (const id of outcome.heldIds) this.#options.emit({ event: 'stepped_over', id, reason: HELD });
          await this.#tellProgress();
          await this.#rest(
            pauseAfter(this.#options.pace, this.#pace, outcome.took.ms, finite(this.#pressure.slowdown)),
          );
          break;
        case 'readers':
          this.#tally.retries++;
          this.#options.emit({ event: 'retry', reason: outcome.reason, batchSize: this.#pace.size });
          if (await this.#readers.letPass()) this.#readersInARow++;
          else this.#readersInARow = PATIENCE_WITH_READERS;
          await this.#rest(RETRY_PAUSE_MS);
          break;
        case 'refused':
          this.#tally.retries++;
          if (outcome.locks && !this.#skipHeld) {
            this.#skipHeld = true;
          } else {
            if (this.#pace.size === 1) await this.#stepOver(outcome.reason, outcome.byTrigger === true);
            this.#pace = afterRefusal(this.#pace);
          }
          this.#options.emit({ event: 'retry', reason: outcome.reason, batchSize: this.#pace.size });
          // Nobody is waited for who could let it go.
          if (outcome.byTrigger !== true) await this.#rest(RETRY_PAUSE_MS);
      }
    }
  }

  /** Looks around now and then; where it must stop it waits here until it needn't. */
  async #giveWay(): Promise<Ended | undefined> {
    if (this.#facts.embedded) return undefined;
    const stoppedAtMs = this.#now();
    while (this.#now() - this.#lookedAtMs >= LOOK_EVERY_MS || this.#pressure.slowdown === Infinity) {
      const before = this.#pressure;
      if (this.#lookedAtMs > 0) this.#tally.gaveWay(before.reasons, this.#now() - this.#lookedAtMs);
      this.#pressure = judge(await this.#surroundings.read(), this.#options.pace.nice);
      this.#lookedAtMs = this.#now();
      if (changed(before, this.#pressure)) this.#options.emit({ event: 'pressure', ...this.#pressure });
      if (this.#pressure.slowdown !== Infinity) return undefined;
      const end = this.#budgetEnd();
      if (end !== undefined) return end;
      if (this.#now() - stoppedAtMs > LONGEST_STOP_MS) return 'pressure';
      await this.#rest(LOOK_EVERY_MS);
    }
    return undefined;
  }

  #budgetEnd(): Ended | undefined {
    const { signal, maxDurationMs } = this.#options;
    if (signal?.aborted === true) return 'interrupted';
    if (this.#rowsAllowed() <= 0) return 'max_rows';
    if (maxDurationMs !== undefined && this.#now() - this.#tally.startedMs >= maxDurationMs) {
      return 'max_duration';
    }
    return undefined;
  }

  #rowsAllowed(): number {
    return (this.#options.maxRows ?? Infinity) - this.#tally.deleted;
  }

  /** Sleeps, and keeps the lease meanwhile. A signal ends it at once. */
  async #rest(ms: number): Promise<void> {
    const { timing, signal } = this.#options;
    const untilMs = this.#now() + ms;
    for (;;) {
      if (this.#now() - this.#renewedAtMs >= RENEW_EVERY_MS) {
        await this.#lease.renew(this.#session.query);
        this.#renewedAtMs = this.#now();
      }
      const left = Math.min(untilMs - this.#now(), RENEW_EVERY_MS);
      if (left <= 0 || signal?.aborted === true) return;
      await timing.sleep(left, signal).catch(() => undefined);
    }
  }

  /** @throws CleanupError CONTENDED | REFUSED */
  async #stepOver(reason: string, byTrigger: boolean): Promise<void> {
    const [row] = await this.#session.query<{ expires_at: string; id: string }>(nextRowSql(this.#facts), [
      this.#cursor.expiresAt,
      this.#cursor.id,
      this.#cutoff.at,
    ]);
    if (row === undefined) return;
    const most = byTrigger ? MOST_PROTECTED : MOST_STEPPED_OVER;
    if (++this.#steppedOverInARow > most) throw rowAfterRow(most, reason, byTrigger);
    this.#cursor = { expiresAt: row.expires_at, id: row.id };
    if (byTrigger) this.#tally.isProtected(row.id, reason);
    else this.#tally.steppedOver++;
    this.#options.emit({ event: 'stepped_over', id: row.id, reason });
  }

  /** Counts what is ahead of the cursor; what is past counting is guessed, once. */
  async #count(): Promise<Backlog> {
    this.#countedAtMs = this.#now();
    const cursor = this.#cursor;
    const ahead = await readBacklog(this.#session.query, this.#facts, this.#cutoff, { cursor });
    if (ahead.exact || cursor === START) this.#tally.ahead(ahead.rows);
    this.#exact = ahead.exact;
    return ahead;
  }

  async #tellProgress(): Promise<void> {
    if (this.#now() - this.#toldAtMs < TELL_EVERY_MS) return;
    if (!this.#exact && this.#now() - this.#countedAtMs >= COUNT_EVERY_MS) await this.#count();
    this.#toldAtMs = this.#now();
    this.#options.emit({
      event: 'progress',
      batchSize: this.#pace.size,
      ...this.#tally.progress(this.#now()),
    });
  }

  #summary(ended: Ended, backlogRows: number): Summary {
    return this.#tally.summary({ ended, cutoff: this.#cutoff.at, backlogRows, nowMs: this.#now() });
  }

  #now(): number {
    return this.#options.timing.monotonicMs();
  }
}

function finite(slowdown: number): number {
  return slowdown === Infinity ? 1 : slowdown;
}

function changed(before: Pressure, after: Pressure): boolean {
  return before.slowdown !== after.slowdown || (before.reasons.length === 0) !== (after.reasons.length === 0);
}

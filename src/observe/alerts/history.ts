import type { Reading } from './alert.js';

const MINUTE_MS = 60_000;
const MINUTE_SLACK_MS = 15_000;
const FIVE_MINUTES_MS = 5 * MINUTE_MS;
/** A reading holds every series: of those older than a minute a few are enough. */
const THINNED_MS = 30_000;

interface Entry {
  readonly atMs: number;
  readonly reading: Reading;
}

/** Readings of the last five minutes, the older ones thinned out. */
export class ReadingHistory {
  #entries: readonly Entry[] = [];

  add(reading: Reading, nowMs: number): void {
    const kept: Entry[] = [];
    for (const entry of this.#entries) {
      const last = kept.at(-1);
      const young = nowMs - entry.atMs <= MINUTE_MS + MINUTE_SLACK_MS;
      if (young || last === undefined || entry.atMs - last.atMs >= THINNED_MS) kept.push(entry);
    }
    // Of those that are five minutes old the youngest is kept.
    while ((kept[1]?.atMs ?? Infinity) <= nowMs - FIVE_MINUTES_MS) kept.shift();
    this.#entries = [...kept, { reading, atMs: nowMs }];
  }

  /** Of a minute ago; undefined in the first minute, and where none says anything of the last minute. */
  minuteAgo(nowMs: number): Reading | undefined {
    const entry = this.#entries.findLast(({ atMs }) => atMs <= nowMs - MINUTE_MS) ?? this.#entries[0];
    if (entry === undefined || entry.atMs === nowMs) return undefined;
    return nowMs - entry.atMs <= MINUTE_MS + MINUTE_SLACK_MS ? entry.reading : undefined;
  }

  /** Of five minutes ago, or more where the process was held up; undefined in the first five minutes. */
  fiveMinutesAgo(nowMs: number): Reading | undefined {
    return this.#entries.findLast(({ atMs }) => atMs <= nowMs - FIVE_MINUTES_MS)?.reading;
  }
}

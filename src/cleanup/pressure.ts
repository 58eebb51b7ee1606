/** What a cleanup must give way to, and how much. Pure. */
export interface Reading {
  /** Of the standby that is furthest behind; undefined: none, or not to be seen by this role. */
  readonly standby: { readonly name: string; readonly lagBytes: number } | undefined;
  /** Sessions that wait for a lock on the token tables, or for one another while they work on them. */
  readonly waitingSessions: number;
  /** The age of the oldest snapshot: what is deleted since can't be vacuumed away. */
  readonly oldestSnapshotMs: number;
  /** Of the outstanding table, as the statistics have it. */
  readonly deadRows: number;
  readonly liveRows: number;
  /** The table on which an index is being built. */
  readonly indexBuild: string | undefined;
  /** A look-up by key, as a refresh does it: now, and before the cleanup began. */
  readonly canaryMs: number;
  readonly canaryBaselineMs: number;
}

export interface Pressure {
  /** Pauses are so many times longer; Infinity: stop until it is over. */
  readonly slowdown: number;
  /** For people. */
  readonly reasons: readonly string[];
}

const MIB = 1024 * 1024;
/** A standby replays some 100 MiB/s: these are a fifth of a second and a second of reading stale rows. */
const LAG_SLOW_BYTES = 16 * MIB;
const LAG_STOP_BYTES = 128 * MIB;
/** One waiting session is everyday life; a queue is trouble, whoever caused it. */
const WAITING_SLOW = 2;
const WAITING_STOP = 10;
/** A report; and one that somebody has forgotten. Never a reason to stop: it could last for days. */
const SNAPSHOT_SLOW_MS = 5 * 60_000;
const SNAPSHOT_SLOWER_MS = 60 * 60_000;
/** Autovacuum is set to 2 % (migration 0008): half of the table means that it doesn't keep up at all. */
const DEAD_SLOW_RATIO = 0.5;
const DEAD_MIN_ROWS = 100_000;
/** Below that a slower look-up is noise of the clock and the scheduler. */
const CANARY_MIN_MS = 5;
const CANARY_SLOW = 3;
const CANARY_SLOWER = 10;

export const NO_PRESSURE: Pressure = { slowdown: 1, reasons: [] };

/**
 * The strongest reason decides; all are told.
 *
 * @param nice 0: only what stops a run counts, and nothing else is given way to, or told
 */
export function judge(reading: Reading, nice = 1): Pressure {
  const found = [
    ...lag(reading.standby),
    ...waiting(reading.waitingSessions),
    ...snapshot(reading.oldestSnapshotMs),
    ...dead(reading),
    ...build(reading.indexBuild),
    ...canary(reading),
  ].filter(([slowdown]) => nice > 0 || slowdown === Infinity);
  return {
    slowdown: Math.max(1, ...found.map(([slowdown]) => slowdown)),
    reasons: found.map(([, reason]) => reason),
  };
}

type Found = readonly [slowdown: number, reason: string];

function lag(standby: Reading['standby']): Found[] {
  if (standby === undefined || standby.lagBytes < LAG_SLOW_BYTES) return [];
  const { name, lagBytes } = standby;
  const reason = `the standby ${name} is ${Math.round(lagBytes / MIB)} MiB behind (if on purpose: --ignore-standby ${name})`;
  return [[lagBytes < LAG_STOP_BYTES ? 4 : Infinity, reason]];
}

function waiting(sessions: number): Found[] {
  if (sessions < WAITING_SLOW) return [];
  return [
    [sessions < WAITING_STOP ? 4 : Infinity, `${sessions} sessions wait for locks on the token tables`],
  ];
}

function snapshot(ageMs: number): Found[] {
  if (ageMs < SNAPSHOT_SLOW_MS) return [];
  const reason = `a transaction is ${Math.round(ageMs / 60_000)} min old, and keeps what is deleted from being vacuumed`;
  return [[ageMs < SNAPSHOT_SLOWER_MS ? 2 : 4, reason]];
}

function dead({ deadRows, liveRows }: Reading): Found[] {
  const ratio = deadRows / Math.max(1, deadRows + liveRows);
  if (deadRows < DEAD_MIN_ROWS || ratio < DEAD_SLOW_RATIO) return [];
  return [[2, `${Math.round(ratio * 100)} % of the table are dead rows that autovacuum has not got to yet`]];
}

function build(table: string | undefined): Found[] {
  return table === undefined ? [] : [[Infinity, `an index is being built on ${table}`]];
}

function canary({ canaryMs, canaryBaselineMs }: Reading): Found[] {
  const ratio = canaryMs / Math.max(canaryBaselineMs, 0.1);
  if (canaryMs < CANARY_MIN_MS || ratio < CANARY_SLOW) return [];
  const reason = `a look-up takes ${canaryMs.toFixed(1)} ms, and took ${canaryBaselineMs.toFixed(1)} ms before`;
  return [[ratio < CANARY_SLOWER ? 2 : 4, reason]];
}

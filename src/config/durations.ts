/** Longest unit first, so that a duration is written in the fewest digits. */
const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

const MS_OF: ReadonlyMap<string, number> = new Map(UNITS);

/**
 * Reads `250ms`, `30s`, `15m`, `12h`, `7d` as milliseconds. The unit is always written: a bare number would be
 * seconds to one reader and milliseconds to the next. Undefined where the text is nothing of the kind.
 */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  const ms = Number(digits) * (MS_OF.get(unit) ?? Number.NaN);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** Writes milliseconds as the shortest text that `parseDuration` reads back as the same. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  const [unit, size] = UNITS.find(([, size]) => ms % size === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}

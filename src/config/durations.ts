const MS_OF: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

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

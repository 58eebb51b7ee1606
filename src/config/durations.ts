const MS_OF: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  // 366 days: what is to be kept for years is never gone a day early.
  ['y', 31_622_400_000],
]);

/** The same with a fraction, as simplejwt's LEEWAY may have one, in seconds: `1.5s` is 1.5. */
export function parseFraction(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  return (Number(digits) * (MS_OF.get(unit) ?? Number.NaN)) / 1_000;
}

/**
 * Reads `250ms`, `30s`, `15m`, `12h`, `7d`, `6y` as milliseconds. The unit is always written: a bare number would be
 * seconds to one reader and milliseconds to the next. Undefined where the text is nothing of the kind.
 */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^(\d+)(ms|s|m|h|d|y)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  const ms = Number(digits) * (MS_OF.get(unit) ?? Number.NaN);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** For people, in a unit that leaves no 0.0: `1 s`, `90 min`, `2.5 hours`, `29.0 days`. */
export function spokenDuration(ms: number): string {
  if (ms < 120_000) return `${Math.ceil(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.ceil(ms / 60_000)} min`;
  const hours = ms / 3_600_000;
  return hours < 48 ? `${hours.toFixed(1)} hours` : `${(hours / 24).toFixed(1)} days`;
}

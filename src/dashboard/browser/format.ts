/** Figures for people: always in the same places, so that they don't dance. */
export function figure(value: number | undefined | null, digits = 0): string {
  if (value === undefined || value === null) return '-';
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function seconds(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value < 1) return `${figure(value * 1000, value < 0.1 ? 1 : 0)} ms`;
  if (value < 120) return `${figure(value, 1)} s`;
  if (value < 7_200) return `${figure(value / 60)} min`;
  return value < 172_800 ? `${figure(value / 3_600, 1)} h` : `${figure(value / 86_400, 1)} d`;
}

export function bytes(value: number | undefined): string {
  return value === undefined ? '-' : `${figure(value / 1e6)} MB`;
}

export function percent(part: number, whole: number): string {
  return whole <= 0 ? '-' : `${figure((100 * part) / whole, 1)} %`;
}

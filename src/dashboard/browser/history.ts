/** The last ten minutes, a point a second. The oldest goes when a new one comes: a page may stay open for days. */
const POINTS = 600;

export class History {
  /** First the times (s), then a row a series; null: no value at that time. */
  readonly rows: (number | null)[][];

  constructor(series: number) {
    this.rows = Array.from({ length: series + 1 }, () => []);
  }

  add(atSeconds: number, values: readonly (number | null)[]): void {
    const [times] = this.rows;
    // A server whose clock was set back: what was drawn is of another time.
    if (times !== undefined && atSeconds <= (times.at(-1) ?? -Infinity))
      for (const row of this.rows) row.length = 0;
    for (const [at, value] of [atSeconds, ...values].entries()) {
      const row = this.rows[at];
      if (row === undefined) continue;
      row.push(value);
      if (row.length > POINTS) row.shift();
    }
  }

  /** Between two points that don't belong together no line is drawn. */
  gap(atSeconds: number): void {
    const last = this.rows[0]?.at(-1) ?? null;
    if (last !== null && atSeconds - last > 0.002)
      this.add(
        last + 0.001,
        Array.from({ length: this.rows.length - 1 }, () => null),
      );
  }
}

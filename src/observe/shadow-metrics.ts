import { Counter, type Registry } from 'prom-client';

/** What a shadow has counted since its start. */
export interface ShadowCounts {
  /** By what came of them: label values of a closed set. */
  readonly requests: Readonly<Record<string, number>>;
  readonly differences: Readonly<Record<string, number>>;
}

/** @param codes all classes of differences: each has its line from the start */
export function shadowMetrics(registry: Registry, codes: readonly string[], look: () => ShadowCounts): void {
  const registers = [registry];
  new Counter({
    name: 'carelink_shadow_requests_total',
    help: 'Requests that passed through a shadow, by what came of them; `passed` counts all of them.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(look().requests)) this.inc({ result }, count);
    },
  });
  new Counter({
    name: 'carelink_shadow_differences_total',
    help: "Differences between Django's answers and those of this server, by class.",
    labelNames: ['code'],
    registers,
    collect() {
      this.reset();
      const { differences } = look();
      for (const code of codes) this.inc({ code }, differences[code] ?? 0);
    },
  });
}

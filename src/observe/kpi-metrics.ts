import { Gauge, type Registry } from 'prom-client';
import type { KpiDocument } from './kpi-meter.js';

/** A KPI that is unmeasured has no series: an alert on it must say what absence means. */
export function registerKpis(registry: Registry, kpis: () => KpiDocument): void {
  const labelNames = ['kpi', 'window'];
  const value = new Gauge({
    name: 'carelink_kpi_value',
    help: 'The five KPIs in their own units (ms, statements, %), over the last minute, 15 minutes and since start.',
    labelNames,
    registers: [registry],
    collect() {
      value.reset();
      holds.reset();
      for (const { id, window, verdict, value: measured } of kpis().kpis) {
        if (verdict === 'unmeasured' || measured === null) continue;
        value.set({ kpi: id, window }, measured);
        holds.set({ kpi: id, window }, verdict === 'pass' ? 1 : 0);
      }
    },
  });
  const holds = new Gauge({
    name: 'carelink_kpi_holds',
    help: 'Whether a KPI meets its target: 1 or 0.',
    labelNames,
    registers: [registry],
  });
}

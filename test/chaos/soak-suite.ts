import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { checkHistory, describeViolation } from './history-checker.js';
import { soak, type SoakPlan } from './soak.js';

/** Twice a server's memory after its first hours would be a leak; a heap that breathes stays below. */
const FLAT = 1.5;

export function describeSoak(plan: SoakPlan): void {
  const ready =
    services().postgres !== undefined && services().redis !== undefined && existsSync('/proc/self/status');
  describe.skipIf(!ready)(`${plan.hours} hours of shift changes, ${plan.hourMs / 1000} s each`, () => {
    it('lose nothing, leave nothing owed, and keep memory and KPIs as they should be', async () => {
      const { history, memory, kpis, owed, peakRate } = await soak(plan);
      const failed = history.attempts.filter(({ status }) => status !== 200);
      const megabytes = memory.map((hour) => hour.map((bytes) => Math.round(bytes / 1e6)));
      console.log(
        `${history.attempts.length} refreshes, bursts of ${peakRate}/s, ${failed.length} not answered 200; MB by hour: ${JSON.stringify(megabytes)}`,
      );
      console.log(kpis.map(({ id, verdict, value }) => `${id} ${value?.toFixed(3)} ${verdict}`).join('; '));
      expect(checkHistory(history).map(describeViolation)).toEqual([]);
      expect(owed).toBe(0);
      expect(failed.filter(({ status }) => ![503, 'none'].includes(status))).toEqual([]);
      if (!plan.judged) return;
      expect(kpis.filter(({ verdict }) => verdict !== 'pass')).toEqual([]);
      // The one that wasn't restarted: since its bursts have been through once.
      const [early, late] = [memory[8]![1]!, memory.at(-1)![1]!];
      expect(late / early).toBeLessThan(FLAT);
    });
  });
}

import { appendFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { services } from '../support/services.js';
import { checkHistory, describeViolation } from './history-checker.js';
import { GRACE_MS } from './kill.js';
import { BACK_TO_NORMAL_MS, type BreakName, breakOften, IS_LONG, tell } from './outages.js';
import { openTheatre, SERVERS, type Setting } from './theatre.js';

/** Where the long run leaves its figures for docs/reliability.md (scripts/reliability.mjs). */
const FIGURES = process.env['RELIABILITY_FILE'];

/** What is broken, one after the other, before the same audience. */
export interface Evening {
  readonly names: readonly BreakName[];
  readonly setting: Setting;
}

/** The same breaks, once in the ordinary run and often in the long one. */
export function describeOutages(evenings: readonly Evening[], times: number): void {
  describe.skipIf(services().postgres === undefined || services().redis === undefined)(
    `${SERVERS} servers that claim in one Redis, under load`,
    () => {
      for (const { names, setting } of evenings) {
        const title = names.join('; ');
        it.skipIf(setting.ownPostgres === true && services().postgresBin === undefined)(
          `${title}, ${times} times: nothing is lost or forked, and all is soon as before`,
          async () => {
            const theatre = await openTheatre(setting);
            onTestFinished(() => theatre.close());
            await breakOften(theatre, names, times);
            const end = await theatre.end();
            const told = tell(end, theatre.outages);
            // Whoever lost Redis, for whatever reason, claims where the others don't hear of it.
            const lateDoubles = setting.forgets === true || told.redisLost > 0;
            const violations = checkHistory(end.history, { graceMs: GRACE_MS, lateDoubles });
            console.log(`${title}: ${JSON.stringify(told)}`);
            if (FIGURES !== undefined) {
              appendFileSync(
                FIGURES,
                `${JSON.stringify({ name: title, ...told, violations: violations.length })}\n`,
              );
            }
            expect(violations.map(describeViolation)).toEqual([]);
            // Whoever lost a claim that was answered has found it when it was written.
            expect(told.doublesFound).toBeGreaterThanOrEqual(told.doubles);
            if (!IS_LONG) return;
            // On a machine that is too busy the figure is the machine's: such a run has shown nothing, so it fails.
            expect(told.calmErrors, 'answered 503 before anything was broken').toBe(0);
            expect(told.lastErrorMs).toBeLessThan(BACK_TO_NORMAL_MS);
          },
        );
      }
    },
  );
}

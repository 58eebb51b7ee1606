import { appendFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { services } from '../support/services.js';
import { checkHistory, describeViolation } from './history-checker.js';
import { GRACE_MS } from './kill.js';
import { type BreakName, breakOften, openTheatre, SERVERS, SETTINGS, tell } from './outages.js';

/** Where the long run leaves its figures for docs/reliability.md (scripts/reliability.mjs). */
const FIGURES = process.env['RELIABILITY_FILE'];

/** The same breaks, once in the ordinary run and often in the long one. */
export function describeOutages(names: readonly BreakName[], times: number): void {
  describe.skipIf(services().postgres === undefined || services().redis === undefined)(
    `${SERVERS} servers that claim in one Redis, under load`,
    () => {
      for (const name of names) {
        const setting = SETTINGS[name];
        it.skipIf(setting.ownPostgres === true && services().postgresBin === undefined)(
          `${name}, ${times} times: nothing is lost or forked`,
          async () => {
            const theatre = await openTheatre(setting);
            onTestFinished(() => theatre.close());
            await breakOften(theatre, name, times);
            const { history, doublesFound } = await theatre.end();
            const told = tell(history, theatre.outages, doublesFound);
            const rules = { graceMs: GRACE_MS, lateDoubles: setting.forgets === true };
            const violations = checkHistory(history, rules);
            console.log(`${name}: ${JSON.stringify(told)}`);
            if (FIGURES !== undefined) {
              appendFileSync(
                FIGURES,
                `${JSON.stringify({ name, ...told, violations: violations.length })}\n`,
              );
            }
            expect(violations.map(describeViolation)).toEqual([]);
            // Whoever lost a claim that was answered has found it when it was written.
            expect(told.doublesFound).toBeGreaterThanOrEqual(told.doubles);
          },
        );
      }
    },
  );
}

import { describe, it } from 'vitest';
import { services } from '../support/services.js';
import { SCENARIOS } from './support/scenarios.js';
import { clientWorld, type Mode } from './support/world.js';

export interface SuiteSize {
  readonly modes: readonly Mode[];
  readonly tabs: number;
  readonly rounds: number;
  /** The scenarios of which the name begins with one of these; all, if not given. */
  readonly only?: readonly string[];
}

/** Nobody fails, nobody is logged out, and one rotation is made, in a real Chromium. */
export function clientSuite({ modes, tabs, rounds, only }: SuiteSize): void {
  const found = services();
  describe.skipIf(found.chromium === undefined || found.postgres === undefined)('tabs in Chromium', () => {
    const world = clientWorld();
    for (const mode of modes) {
      const wanted = SCENARIOS.filter(({ name }) => only?.some((start) => name.startsWith(start)) ?? true);
      it.each(wanted)(`${mode}: $name`, async ({ query, run }) => {
        const opened = await world.tabs(mode, tabs, query);
        try {
          for (let round = 0; round < rounds; round++) await run(world, mode, opened);
        } finally {
          world.site(mode).fate = () => 'pass';
          await opened.context.close();
        }
      });
    }
  });
}

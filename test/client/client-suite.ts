import { afterAll, describe, it } from 'vitest';
import { services } from '../support/services.js';
import type { EngineName } from './support/engines/engine.js';
import { ENGINES } from './support/engines/index.js';
import { HANDOVERS } from './support/handover.js';
import type { Scenario } from './support/scenario.js';
import { MISHAPS } from './support/scenarios.js';
import { ENDS } from './support/session-ends.js';
import { engineWorld, MODES, type EngineWorld, type Mode, type OpenTabs } from './support/world.js';

export interface SuiteSize {
  readonly scenarios?: readonly Scenario[];
  /** Where a scenario doesn't say how many it wants. */
  readonly tabs: number;
  readonly rounds: number;
  /** Each of these in one mode only, the next one in the next. */
  readonly inTurn?: readonly Scenario[];
}

const ALL: readonly Scenario[] = [...ENDS, ...HANDOVERS, ...MISHAPS];

/** A bound against hanging; a round takes seconds. */
const ROUND_MS = 150_000;

/** Nobody fails, nobody is logged out, one rotation is made, and nothing of one user reaches another. */
export function clientSuite(
  name: EngineName,
  { scenarios = ALL, tabs, rounds, inTurn = [] }: SuiteSize,
): void {
  const found = services();
  const lacking = scenarios.filter(({ lacks }) => lacks?.[name]);
  const lacksEngine = found[ENGINES[name].service] === undefined;
  describe.skipIf(lacksEngine || found.postgres === undefined)(`tabs in ${name}`, () => {
    const world = engineWorld(name);
    afterAll(() => {
      for (const one of lacking) console.log(`Not played in ${name}: ${one.name}, for ${one.lacks![name]}`);
    });
    for (const [n, scenario] of scenarios.entries()) {
      if (lacking.includes(scenario)) continue;
      const able = scenario.modes ?? MODES;
      it.each(inTurn.includes(scenario) ? [able[n % able.length]!] : able)(
        `%s: ${scenario.name}`,
        async (mode) => {
          const failures = await play(world, scenario, mode, { tabs, rounds });
          if (failures.length > 0)
            throw new AggregateError(
              failures,
              `${failures.length} of ${rounds} rounds failed: ${String(failures[0])}`,
            );
        },
      );
    }
  });
}

/** What went wrong, a round each; the next one begins with new tabs. */
async function play(
  world: EngineWorld,
  scenario: Scenario,
  mode: Mode,
  { tabs, rounds }: SuiteSize,
): Promise<unknown[]> {
  const failures: unknown[] = [];
  let opened: OpenTabs | undefined;
  const end = async (): Promise<void> => {
    Object.assign(world.site(mode), { fate: () => 'pass', down: false, release: Promise.resolve() });
    await opened?.context.close();
    opened = undefined;
  };
  for (let round = 0; round < rounds; round++) {
    try {
      opened ??= await world.tabs(mode, scenario.tabs ?? tabs, scenario.query);
      await within(ROUND_MS, scenario.run(world, mode, opened));
    } catch (error) {
      failures.push(error);
      await end();
    }
  }
  await end();
  return failures;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${ms} ms`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { clientWorld, login, type ClientWorld } from './support/world.js';

/** A ward's page: this many requests at once each time its data are due, and its token has expired by then. */
const BURST = 12;
const ROUNDS = 20;

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('refresh calls saved', () => {
  const world = clientWorld();

  it('at least 70 % against each request refreshing by itself; the window changes nothing but the wait', async () => {
    const [none, window100] = [await busyPage(world, ''), await busyPage(world, 'window=100')];
    const alone = BURST * ROUNDS;
    const saved = 100 * (1 - none.calls / alone);
    console.log(`${alone} requests at expiry: ${none.calls} refresh calls, ${saved.toFixed(1)} % saved`);
    console.log(
      `median wait of a burst: window 0: ${none.medianMs} ms, window 100: ${window100.medianMs} ms (${window100.calls} calls)`,
    );
    expect(saved).toBeGreaterThanOrEqual(70);
    expect(window100.calls).toBe(none.calls);
  });
});

async function busyPage(world: ClientWorld, query: string): Promise<{ calls: number; medianMs: number }> {
  const tabs = await world.tabs('memory', 1, query);
  const waits: number[] = [];
  let calls = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await login(world, 'memory', tabs);
    waits.push(
      await tabs.pages[0]!.evaluate(async (burst) => {
        const from = performance.now();
        const answers = await window.fire(burst);
        if (answers.some(([status]) => status !== 200)) throw new Error(JSON.stringify(answers));
        return performance.now() - from;
      }, BURST),
    );
    calls += world.site('memory').refreshes;
  }
  await tabs.context.close();
  const medianMs = Math.round(waits.sort((a, b) => a - b)[ROUNDS / 2]!);
  return { calls, medianMs };
}

import { expect, it } from 'vitest';
import { compareWithJose } from './hmac-differential.js';

it('accepts and refuses the same tokens as jose, 6,000 mutated ones', async () => {
  const tally = await compareWithJose(6_000, 1);
  expect(tally.accepted).toBeGreaterThan(1_000);
  expect(tally.refusedByBoth).toBeGreaterThan(600);
  expect(tally.refusedForForm).toBeGreaterThan(60);
});

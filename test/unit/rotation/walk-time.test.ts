import { describe, expect, it } from 'vitest';
import { createChain } from '../../../src/rotation/chain.js';
import { WalkTime } from '../../../src/rotation/walk-time.js';

const JTI = '0123456789abcdef0123456789abcdef';
const COUNT = 16_384;

describe('a walk that computes ids', () => {
  it.each([
    ['nothing else is to be done', 0],
    ['all else takes long, and it is to get on', 60],
  ])('lets others have their turn: 1,024 ids at most are between them, where %s', async (_, othersMs) => {
    let [nowMs, between, most] = [0, 0, 0];
    const time = new WalkTime({ giveUpMs: Infinity, monotonicMs: () => nowMs });
    let over = false;
    const others = (): void => {
      most = Math.max(most, between);
      between = 0;
      nowMs += othersMs;
      if (!over) setImmediate(others);
    };
    setImmediate(others);
    const chain = createChain([Buffer.alloc(32, 1)]);
    const way = await time.compute(chain, JTI, COUNT, 0, () => {
      between++;
      return false;
    });
    over = true;
    expect(way).toEqual(chain.lineOf(JTI, COUNT, 0));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(1_024);
  });
});

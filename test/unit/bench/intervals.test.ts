import { describe, expect, it } from 'vitest';
import { differs, pairedRatio, ratioToRuns, type Ratio } from '../../../src/bench/intervals.js';
import { seeded } from '../../../src/bench/random.js';

/** Noise around 1, the same on both sides of a pair: what a busy machine does to two neighbouring blocks. */
const pairs = (ratio: number, count: number, random: () => number) =>
  Array.from({ length: count }, () => {
    const machine = 0.5 + random();
    return [ratio * machine * (0.95 + 0.1 * random()), machine * (0.95 + 0.1 * random())] as const;
  });

const holds = ({ low, high }: Ratio, truth: number) => low <= truth && truth <= high;

const normalOf = (random: () => number) => () =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

const TRIALS = 4_000;

/** The standard error of 5 % in 4,000 trials is 0.35 %. */
const AT_MOST = 0.05;

it('finds the ratio of pairs through noise that both sides share', () => {
  const { ratio, low, high } = pairedRatio(pairs(3, 30, seeded(1)))!;
  expect(ratio).toBeCloseTo(3, 0);
  expect(low).toBeGreaterThan(2.9);
  expect(high).toBeLessThan(3.1);
});

describe('two targets in turn', () => {
  /**
   * Two targets in blocks beside each other, as `interleave` runs them: seconds of a machine are like their neighbours
   * (0.7 of the one before), both get quicker while they warm up, and who begins changes. Rate and mean are one thing seen from two
   * sides; the p99 has noise of its own.
   */
  const compare = (truth: number, count: number, random: () => number, noise = 0.04) => {
    const normal = normalOf(random);
    let machine = 0.2 * normal();
    let at = 0;
    const block = (target: number) => {
      machine = 0.7 * machine + 0.14 * normal();
      const mean = Math.exp(machine + noise * normal() - 0.02 * at++) * target;
      return { rate: 1 / mean, mean, p99: mean * Math.exp(2 * noise * normal()) };
    };
    const blocks = Array.from({ length: count }, (_, n) => {
      if (n % 2 === 0) {
        const ours = block(truth);
        return [ours, block(1)] as const;
      }
      const theirs = block(1);
      return [block(truth), theirs] as const;
    });
    return (['rate', 'mean', 'p99'] as const).map((key) =>
      pairedRatio(blocks.map(([a, b]) => [a[key], b[key]]))!,
    );
  };
  const claimed = (truth: number, count: number, seed: number) => {
    const random = seeded(seed);
    let claims = 0;
    for (let n = 0; n < TRIALS; n++) claims += compare(truth, count, random).some(differs) ? 1 : 0;
    return claims / TRIALS;
  };

  it.each([6, 16, 30])(
    'that are alike: one of the three figures differs in at most one of twenty comparisons of %i pairs',
    (count) => {
      expect(claimed(1, count, count)).toBeLessThan(AT_MOST);
    },
  );

  it('of which one is half as quick again: seen in nine of ten comparisons of the default length', () => {
    expect(claimed(1.5, 16, 1)).toBeGreaterThan(0.9);
  });
});

describe('a run and earlier ones', () => {
  /** Runs of one build lie a third apart, as was measured on a machine with much other work; a p99 does by as much again. */
  const run = (truth: number, normal: () => number, spread: number) => {
    const mean = Math.exp(spread * normal()) * truth;
    return {
      rate: (1 / mean) * Math.exp(0.1 * spread * normal()),
      mean,
      p99: mean * Math.exp(spread * normal()),
    };
  };
  const claimed = (truth: number, earlier: number, spread: number) => {
    const normal = normalOf(seeded(earlier));
    let claims = 0;
    for (let n = 0; n < TRIALS; n++) {
      const ours = run(truth, normal, spread);
      const before = Array.from({ length: earlier }, () => run(1, normal, spread));
      const ratios = (['rate', 'mean', 'p99'] as const).map((key) =>
        ratioToRuns(ours[key], before.map((one) => one[key]))!,
      ); // prettier-ignore
      claims += ratios.some(differs) ? 1 : 0;
    }
    return claims / TRIALS;
  };

  it.each([
    [3, 0.35],
    [5, 0.35],
    [10, 0.35],
    [5, 0.02],
  ])(
    'of one build: one of the three figures differs in at most one of twenty, with %i earlier ones that lie %f apart',
    (earlier, spread) => {
      expect(claimed(1, earlier, spread)).toBeLessThan(AT_MOST);
    },
  );

  it('of which it is a quarter slower: seen in nine of ten, where five runs lie 3 % apart', () => {
    expect(claimed(1.25, 5, 0.03)).toBeGreaterThan(0.9);
  });

  it('says nothing of fewer than three, whatever they measured', () => {
    expect(ratioToRuns(50, [1, 1])).toBeUndefined();
    expect(ratioToRuns(50, [1, 1, 0])).toBeUndefined();
    expect(ratioToRuns(0, [1, 1, 1])).toBeUndefined();
    expect(ratioToRuns(50, [1, 1.01, 0.99])!.low).toBeGreaterThan(40);
  });
});

it('is wider without pairs: the noise is in it then', () => {
  const drawn = pairs(2, 20, seeded(4));
  const width = ({ low, high }: Ratio) => Math.log(high / low);
  const [ours, theirs] = [drawn.map(([a]) => a), drawn.map(([, b]) => b)];
  expect(width(ratioToRuns(ours[0]!, theirs)!)).toBeGreaterThan(5 * width(pairedRatio(drawn)!));
});

it('holds the truth', () => {
  const random = seeded(6);
  let held = 0;
  for (let n = 0; n < TRIALS; n++) held += holds(pairedRatio(pairs(2, 16, random))!, 2) ? 1 : 0;
  // One of three that hold together in 95 %: 98.3 %.
  expect(held / TRIALS).toBeGreaterThan(0.975);
  expect(held / TRIALS).toBeLessThan(0.99);
});

it('says nothing of fewer than three pairs', () => {
  expect(pairedRatio([[1, 1], [2, 1]])).toBeUndefined(); // prettier-ignore
  expect(pairedRatio([[1, 1], [2, 1], [0, 1]])).toBeUndefined(); // prettier-ignore
});

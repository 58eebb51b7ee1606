import { describe, expect, it } from 'vitest';
import { Circuit } from '../../../src/cache/circuit.js';

function circuit() {
  const world = { nowMs: 1_000 };
  const made = new Circuit(
    () => world.nowMs,
    () => 0,
  );
  return { made, world };
}

describe('the circuit', () => {
  it('stays closed over one late answer, and over those that were out with it', () => {
    const { made, world } = circuit();
    const out = [made.admit()!, made.admit()!];
    world.nowMs += 100;
    expect(out.map((askedAtMs) => made.failed(askedAtMs))).toEqual([false, false]);
    const next = made.admit();
    expect(next).toBeDefined();
    expect(made.succeeded()).toBe(false);
    // What failed before that is forgotten.
    world.nowMs += 100;
    expect(made.failed(next!)).toBe(false);
    expect(made.admit()).toBeDefined();
  });

  it('opens where one that asked after a failure fails, too, and lets one at a time try after a rest', () => {
    const { made, world } = circuit();
    made.failed(made.admit()!);
    expect(made.failed(made.admit()!)).toBe(true);
    expect(made.admit()).toBeUndefined();
    world.nowMs += 50;
    const probe = made.admit();
    expect(probe).toBeDefined();
    expect(made.admit()).toBeUndefined();
    expect(made.failed(probe!)).toBe(false);
    expect(made.admit()).toBeUndefined();
    world.nowMs += 100;
    expect(made.admit()).toBeDefined();
    expect(made.succeeded()).toBe(true);
    expect([made.admit(), made.admit()]).not.toContain(undefined);
  });

  it('stays open where it is read only, and never lets two try at once', () => {
    const { made, world } = circuit();
    made.failed(made.admit()!);
    made.answered();
    expect(made.failed(made.admit()!)).toBe(true);
    world.nowMs += 50;
    expect(made.admit()).toBeDefined();
    expect(made.admit()).toBeUndefined();
    made.answered();
    expect(made.admit()).toBeDefined();
    expect(made.admit()).toBeUndefined();
    expect(made.succeeded()).toBe(true);
  });
});

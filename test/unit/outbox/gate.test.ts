import { describe, expect, it } from 'vitest';
import { ClaimGate } from '../../../src/outbox/gate.js';

const START_US = 1_700_000_000_000_000;

function gate(mode: 'async' | 'auto', heard = true) {
  const world = { nowUs: START_US, nowMs: 0, heard, modes: [] as string[] };
  const made = new ClaimGate({
    mode,
    heard: () => world.heard,
    clock: { nowUs: () => world.nowUs },
    monotonicMs: () => world.nowMs,
    onMode: (taken, why) => world.modes.push(taken ? 'async' : why),
  });
  return { gate: made, world };
}

describe('whether claims are taken in Redis', () => {
  it('they are not before it is known how Redis evicts, nor where it evicts any key', () => {
    const { gate: it } = gate('async');
    expect(it.trustedSinceUs()).toBeUndefined();
    expect(it.onPolicies(['noeviction', 'allkeys-lru'])).toBe('evicts_all');
    expect(it.trustedSinceUs()).toBeUndefined();
    expect(it.onPolicies(['noeviction', 'volatile-ttl'])).toBe('evicts_expiring');
    expect(it.trustedSinceUs()).toBeDefined();
    expect(it.onPolicies(['noeviction'])).toBe('ok');
  });

  it('auto takes them only while changes are heard, async by itself', () => {
    for (const mode of ['auto', 'async'] as const) {
      const { gate: it, world } = gate(mode);
      it.onPolicies(['noeviction']);
      world.heard = false;
      expect(it.trustedSinceUs() === undefined).toBe(mode === 'auto');
    }
  });

  it('tells each change of the mode once', () => {
    const { gate: it, world } = gate('auto');
    it.tell();
    it.onPolicies(['noeviction']);
    it.tell();
    it.tell();
    world.heard = false;
    it.tell();
    expect(world.modes).toEqual([
      'Redis has not been reached yet',
      'async',
      'changes by Django are not heard (migrate --notify)',
    ]);
  });
});

describe('what Redis calls active', () => {
  it('is believed where it was made a second after the start, a gap or an outage, and not before', () => {
    const { gate: it, world } = gate('async');
    it.onPolicies(['noeviction']);
    expect(it.trustedSinceUs()).toBe(START_US + 1_000_000);
    world.nowUs += 10_000_000;
    it.distrust();
    expect(it.trustedSinceUs()).toBe(START_US + 11_000_000);
    it.onRedis('down');
    world.nowMs += 1_000;
    world.nowUs += 1_000_000;
    it.onRedis('up');
    expect(it.trustedSinceUs()).toBe(START_US + 12_000_000);
  });

  it('stays believed over a moment without Redis, and where a clock was set back', () => {
    const { gate: it, world } = gate('async');
    it.onPolicies(['noeviction']);
    world.nowUs += 10_000_000;
    it.onRedis('down');
    world.nowMs += 100;
    it.onRedis('up');
    expect(it.trustedSinceUs()).toBe(START_US + 1_000_000);
    world.nowUs = 0;
    it.distrust();
    expect(it.trustedSinceUs()).toBe(START_US + 1_000_000);
  });
});

import { describe, expect, it } from 'vitest';
import { Trails } from '../../../src/rotation/trails.js';

const jtis = Array.from({ length: 1_000 }, (_, n) => `jti ${n}`);

describe('the trails of long walks', () => {
  it('lead from where a walk began, and from every 256th token on its way, to its end', () => {
    const trails = new Trails();
    trails.remember('first', jtis, 'last');
    for (const jti of ['first', jtis[255]!, jtis[767]!, 'last']) expect(trails.after(jti)).toBe('last');
    expect(trails.after(jtis[10]!)).toBeUndefined();
    trails.remember('first', [], 'further');
    expect(trails.after(jtis[255]!)).toBe('further');
  });

  it('are forgotten whole', () => {
    const trails = new Trails();
    trails.remember('first', jtis, 'last');
    trails.remember('other', [], 'its last');
    trails.forget(jtis[255]!);
    for (const jti of ['first', jtis[255]!, 'last']) expect(trails.after(jti)).toBeUndefined();
    expect(trails.after('other')).toBe('its last');
  });

  it('take only so much memory: the oldest go first', () => {
    const trails = new Trails();
    for (let n = 0; n < 20_000; n++) trails.remember(`first ${n}`, [], `last ${n}`);
    expect(trails.after('first 0')).toBeUndefined();
    expect(trails.after('first 19999')).toBe('last 19999');
  });
});

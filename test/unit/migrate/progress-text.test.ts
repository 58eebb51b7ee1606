import { describe, expect, it } from 'vitest';
import { liveText } from '../../../src/cli/commands/migrate-text.js';

const at = (percent: number, remainingMs: number) =>
  liveText('idx', {
    percent,
    phase: 'building index: scanning table',
    bytesPerSecond: undefined,
    tuplesPerSecond: undefined,
    remainingMs,
    elapsedMs: 1_000,
    waitingMs: 0,
    blockers: [],
  });

describe('how far a build is', () => {
  it('is nearly done only at its end: of a phase that ends others follow', () => {
    expect(at(39, 200)).toMatch(/^39 %/);
    expect(at(39, 200)).not.toMatch(/nearly done|left/);
    expect(at(97, 200)).toMatch(/nearly done/);
    expect(at(39, 90_000)).toMatch(/about .* left/);
  });
});

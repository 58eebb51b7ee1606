import { expect, it } from 'vitest';
import { liveText } from '../../../src/cli/commands/migrate-text.js';

it('tells phase, percent, speed and time left of a build in a terminal of 80 columns', () => {
  const line = liveText('idx_refresh_token_user_created', {
    phase: 'building index: loading tuples in tree',
    percent: 71,
    bytesPerSecond: undefined,
    tuplesPerSecond: 999_999,
    remainingMs: 119_000,
    elapsedMs: 300_000,
    waitingMs: 0,
    blockers: [],
  });
  expect(line.slice(0, 79)).toMatch(
    /^71 % {2}building index: loading tuples in tree {2}999,999 rows\/s {2}about 119 s left/,
  );
});

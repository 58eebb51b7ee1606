/** scripts/release.mjs, twice. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ReleaseClone } from '../support/release-clone.js';

let clone: ReleaseClone;
beforeAll(() => {
  clone = new ReleaseClone();
});
afterAll(() => clone.remove());

it('a release that is tried and made has the same files, to the byte, and a trial has no tag', () => {
  const version = clone.makeReady();
  const sums = (...more: string[]): string => {
    const { status, faults } = clone.release(version, '--allow-missing-links', ...more);
    expect([status, faults]).toEqual([0, []]);
    return clone.read(`release/${version}/SHA256SUMS`);
  };
  const tried = sums('--dry-run');
  expect(clone.git('tag')).toBe('');
  expect(sums()).toBe(tried);
  expect(clone.git('tag')).toBe(`v${version}`);
});

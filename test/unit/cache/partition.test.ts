import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PARTITIONS, partitionOf } from '../../../src/cache/partition.js';

/** FNV-1a over the bytes, as its authors write it. */
function fnv(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % PARTITIONS;
}

it('the partition of a user never changes: other releases share what is in Redis', () => {
  expect(['1', '4711', '2c1c7e0a-8a0e-4f5e-9f61-0d6b5d1f0a11', 'zoë', ''].map(partitionOf)).toEqual(
    ['1', '4711', '2c1c7e0a-8a0e-4f5e-9f61-0d6b5d1f0a11', 'zoë', ''].map(fnv),
  );
  expect(partitionOf(undefined)).toBe(partitionOf(''));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.uuid()), (key) => {
      expect(partitionOf(key)).toBe(fnv(key));
    }),
  );
});

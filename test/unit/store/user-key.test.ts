import { describe, expect, it } from 'vitest';
import { canonicalUserKey, userKeyTypeOf } from '../../../src/store/user-key.js';

describe('a user id', () => {
  it.each([
    ['integer', '5', '5'],
    ['integer', '+05', '5'],
    ['integer', '-7', '-7'],
    ['integer', '2147483647', '2147483647'],
    ['integer', '2147483648', undefined],
    ['bigint', '9223372036854775807', '9223372036854775807'],
    ['bigint', '9223372036854775808', undefined],
    ['integer', '1.0', undefined],
    ['integer', '', undefined],
    ['integer', '1e3', undefined],
    ['uuid', '550E8400-E29B-41D4-A716-446655440000', '550e8400-e29b-41d4-a716-446655440000'],
    ['uuid', '550e8400e29b41d4a716446655440000', '550e8400-e29b-41d4-a716-446655440000'],
    ['uuid', '550e8400', undefined],
    ['character varying', 'maria', 'maria'],
  ])('for a column of type %s: %s becomes %s', (type, key, canonical) => {
    expect(canonicalUserKey(userKeyTypeOf(type), key)).toBe(canonical);
  });
});

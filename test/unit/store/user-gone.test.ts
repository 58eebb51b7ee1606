import { describe, expect, it } from 'vitest';
import type { UserSource } from '../../../src/store/user-source.js';
import { isUserGone } from '../../../src/store/user-gone.js';

const columns = (keyColumn: string, primaryColumn: string) => ({
  users: { keyColumn, primaryColumn } as UserSource,
});
const GONE = { kind: 'reference_gone', column: 'user_id', value: '5' } as const;

describe('a user whom a foreign key did not find', () => {
  it('is the one with this key, where tokens name the primary key', () => {
    for (const schema of [{ users: undefined }, columns('"id"', '"id"')]) {
      expect(isUserGone(schema, GONE, '5', false)).toBe(true);
      expect(isUserGone(schema, GONE, '6', false)).toBe(false);
    }
  });

  it('is nobody that is known by name where tokens name another column: the same text there is somebody else', () => {
    const schema = columns('"employee_no"', '"id"');
    expect(isUserGone(schema, GONE, '5', false)).toBe(false);
    expect(isUserGone(schema, GONE, '5', true)).toBe(true);
  });

  it('is no matter of other references, nor of tokens without a user', () => {
    expect(isUserGone({ users: undefined }, { ...GONE, column: 'token_id' }, '5', true)).toBe(false);
    expect(isUserGone({ users: undefined }, GONE, undefined, true)).toBe(false);
  });
});

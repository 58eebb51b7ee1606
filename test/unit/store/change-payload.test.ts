import { describe, expect, it } from 'vitest';
import { readChanges } from '../../../src/store/change-payload.js';

describe('a payload of the triggers', () => {
  it('that revokes everybody says that anything may have changed', () => {
    expect(readChanges('{"users":[""]}')).toBe('anything');
  });

  it.each([
    [
      '{"blacklisted":[["a", "1"], ["b", null]]}',
      [
        {
          kind: 'blacklisted',
          tokens: [
            { jti: 'a', userKey: '1' },
            { jti: 'b', userKey: undefined },
          ],
        },
      ],
    ],
    [
      '{"users":["1","ü"]}',
      [
        { kind: 'user', userKey: '1' },
        { kind: 'user', userKey: 'ü' },
      ],
    ],
    ['{"gap":true}', 'anything'],
  ])('%s', (payload, change) => {
    expect(readChanges(payload)).toEqual(change);
  });

  it.each([
    '',
    'nonsense',
    'null',
    '[]',
    '{}',
    '{"users":[1]}',
    '{"blacklisted":["a"]}',
    '{"blacklisted":[["a"]]}',
    '{"blacklisted":[["a",1]]}',
  ])('%s may mean anything, and so is anything', (payload) => {
    expect(readChanges(payload)).toBe('anything');
  });
});

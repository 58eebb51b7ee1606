import { describe, expect, it } from 'vitest';
import { readChange } from '../../../src/store/change-payload.js';

describe('a payload of the triggers', () => {
  it.each([
    [
      '{"blacklisted":[["a", "1"], ["b", null]]}',
      {
        kind: 'blacklisted',
        tokens: [
          { jti: 'a', userKey: '1' },
          { jti: 'b', userKey: undefined },
        ],
      },
    ],
    ['{"users":["1","ü"]}', { kind: 'users', userKeys: ['1', 'ü'] }],
    ['{"gap":true}', { kind: 'gap' }],
  ])('%s', (payload, change) => {
    expect(readChange(payload)).toEqual(change);
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
  ])('%s may mean anything, and so is a gap', (payload) => {
    expect(readChange(payload)).toEqual({ kind: 'gap' });
  });
});

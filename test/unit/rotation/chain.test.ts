import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createChain } from '../../../src/rotation/chain.js';

const oldKey = randomBytes(32);
const newKey = randomBytes(32);
const JTI = '0123456789abcdef0123456789abcdef';

describe('the chain', () => {
  it('derives a successor as the first 128 bits of HMAC-SHA256(key, "successor" || jti), in hex', () => {
    const digest = createHmac('sha256', oldKey).update('successor').update(JTI).digest().subarray(0, 16);
    expect(createChain([oldKey]).successorOf(JTI)).toBe(digest.toString('hex'));
  });

  it('gives the access token an id of its own', () => {
    const chain = createChain([oldKey]);
    const next = chain.successorOf(JTI);
    expect(chain.accessOf(next, 0)).toMatch(/^[0-9a-f]{32}$/);
    expect(chain.accessOf(next, 0)).not.toBe(chain.successorOf(next));
  });

  it('makes with the newest key and looks with all', () => {
    const chain = createChain([newKey, oldKey]);
    const before = createChain([oldKey]).successorOf(JTI);
    expect(chain.successorOf(JTI)).toBe(createChain([newKey]).successorOf(JTI));
    expect(chain.candidatesAfter(JTI)).toEqual([chain.successorOf(JTI), before]);
    expect(chain.accessOf(before, 1)).toBe(createChain([oldKey]).accessOf(before, 0));
  });

  it('computes descendants that are the successors of successors', () => {
    const chain = createChain([newKey, oldKey]);
    const [line = []] = chain.descendantsOf(JTI, 3);
    expect(line).toEqual([
      chain.successorOf(JTI),
      chain.successorOf(chain.successorOf(JTI)),
      chain.successorOf(chain.successorOf(chain.successorOf(JTI))),
    ]);
  });

  it('refuses to be without a key', () => {
    expect(() => createChain([])).toThrow('at least one key');
  });
});

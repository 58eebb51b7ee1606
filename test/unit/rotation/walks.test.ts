import { describe, expect, it } from 'vitest';
import { Walks } from '../../../src/rotation/walks.js';

const monotonicMs = () => performance.now();
const A = { jti: 'a', userKey: '7' };
const B = { jti: 'b', userKey: '7' };

/** Walks of tokens whose names are written down as they begin. */
function walksOf(requestTimeoutMs: number) {
  const walks = new Walks({ requestTimeoutMs, monotonicMs });
  const begun: string[] = [];
  const share = (subject: typeof A, fails = false) =>
    walks.share(subject, monotonicMs() + 60_000, async () => {
      begun.push(subject.jti);
      await Promise.resolve();
      if (fails) throw new Error('broken off');
      return begun.length;
    });
  return { share, begun };
}

describe('walks', () => {
  it('of a token that was walked a moment ago are one, however many ask, and hold up no other token of its user', async () => {
    const { share, begun } = walksOf(5_000);
    await share(A);
    const again = Array.from({ length: 20 }, () => share(A));
    await share(B);
    expect(begun).toEqual(['a', 'b']);
    expect(new Set(await Promise.all(again))).toEqual(new Set([3]));
    expect(begun).toEqual(['a', 'b', 'a']);
  });

  it('that failed are repeated at once', async () => {
    const { share, begun } = walksOf(5_000);
    await expect(share(A, true)).rejects.toThrow('broken off');
    const again = share(A);
    await share(B);
    await again;
    expect(begun).toEqual(['a', 'a', 'b']);
  });

  it('of an operator, who asks for each once, never rest', async () => {
    const { share, begun } = walksOf(0);
    await share(A);
    const again = share(A);
    await share(B);
    await again;
    expect(begun).toEqual(['a', 'a', 'b']);
  });
});

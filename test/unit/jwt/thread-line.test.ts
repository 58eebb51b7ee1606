import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createCodec } from '../../../src/jwt/create-codec.js';
import { ThreadLine } from '../../../src/jwt/thread-line.js';

/** What it is handed ends when it is told to. */
function lineAt(clock: { ms: number }) {
  const line = new ThreadLine(() => clock.ms);
  const ends: (() => void)[] = [];
  return {
    line,
    ask: (): void => void line.through(new Promise<void>((resolve) => ends.push(resolve))),
    end: async (count: number): Promise<void> => {
      for (const end of ends.splice(0, count)) end();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const times = (count: number, what: () => void): void => void Array.from({ length: count }, what);

describe('the line before the threads that sign', () => {
  it('is told by the pace at which signatures come out, while more wait than there are threads', async () => {
    const clock = { ms: 0 };
    const { line, ask, end } = lineAt(clock);
    times(104, ask);
    expect(line.waitMs()).toBe(0);
    await end(9);
    clock.ms = 100;
    await end(1);
    // One in 10 ms, and 94 are left: the four on the threads are nobody's line.
    expect(line.waitMs()).toBe(90 * 10);
    await end(90);
    expect(line.waitMs()).toBe(0);
  });

  it('does not take the pace of a load that leaves threads idle for its own', async () => {
    const clock = { ms: 0 };
    const { line, ask, end } = lineAt(clock);
    // A signature each 50 ms, for which nobody waits.
    for (let n = 0; n < 20; n++) {
      ask();
      clock.ms += 50;
      await end(1);
    }
    times(20, ask);
    expect(line.waitMs()).toBe(0);
  });

  it('forgets none that failed', async () => {
    const line = new ThreadLine(() => 0);
    await expect(line.through(Promise.reject(new Error('no key')))).rejects.toThrow('no key');
    const clock = { ms: 0 };
    const other = lineAt(clock);
    times(14, other.ask);
    void other.line.through(Promise.reject(new Error('no key'))).catch(() => undefined);
    clock.ms = 100;
    await other.end(0);
    await other.end(10);
    expect(other.line.waitMs()).toBe(0);
  });

  it('is measured with real keys, and absent where signatures are hashes', async () => {
    const rules = { audience: [], issuer: undefined, leewaySeconds: 0, verifyingKeys: [] };
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const signingKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const { codec } = await createCodec({ ...rules, algorithm: 'RS256', signingKey });
    let longestMs = 0;
    const signs = async () => {
      await codec.sign({ jti: 'a' });
      longestMs = Math.max(longestMs, codec.waitMs?.() ?? 0);
    };
    // A quarter of a second, or more, on two cores.
    await Promise.all(Array.from({ length: 1_000 }, signs));
    expect(longestMs).toBeGreaterThan(0);
    expect(codec.waitMs?.()).toBe(0);
    const hashed = await createCodec({ ...rules, algorithm: 'HS256', signingKey: 'k'.repeat(32) });
    expect(hashed.codec.waitMs).toBeUndefined();
  });
});

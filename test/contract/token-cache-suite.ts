import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { Begun, TokenCache, TokenKey } from '../../src/rotation/ports.js';

/**
 * What every cache keeps. `caches` gives two that share what they know: of Redis two instances, of the memory the
 * same one twice.
 */
export function tokenCacheContract(caches: () => readonly [TokenCache, TokenCache]): void {
  const fresh = (): TokenKey => ({ jti: randomUUID(), userKey: String(Math.floor(Math.random() * 1e6)) });
  const hintOf = (begun: Begun) => {
    if (begun.kind !== 'begun') throw new Error(begun.kind);
    return begun.hint;
  };
  /** `finish` isn't waited for by those who refresh; who looks at another instance has to. */
  const begunOnceFree = async (cache: TokenCache, token: TokenKey) => {
    for (;;) {
      const begun = await cache.begin(token);
      if (begun.kind === 'begun') return begun;
      if (begun.kind === 'busy') await begun.settled;
    }
  };

  it('knows nothing of a new token, and gives its lock to one only', async () => {
    const [here, there] = caches();
    const token = fresh();
    const begun = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => (n % 2 ? here : there).begin(token)),
    );
    expect(begun.filter(({ kind }) => kind === 'begun')).toEqual([
      { kind: 'begun', hint: undefined, doubtAtUs: undefined },
    ]);
    await here.finish(token, undefined);
    await there.finish(token, undefined);
    expect(hintOf(await begunOnceFree(there, token))).toBeUndefined();
  });

  it('lets the waiting go on when the lock is given back', async () => {
    const [here, there] = caches();
    const token = fresh();
    await here.begin(token);
    const busy = await there.begin(token);
    if (busy.kind !== 'busy') throw new Error('not busy');
    await here.finish(token, undefined);
    await busy.settled;
    expect((await there.begin(token)).kind).toBe('begun');
  });

  it('remembers the spent token and its successor', async () => {
    const [here, there] = caches();
    const token = fresh();
    const next = { ...token, jti: randomUUID() };
    await here.begin(token);
    await here.finish(token, { spent: token.jti, successor: { jti: next.jti, rowId: '42', claimedAtUs: 1 } });
    expect(hintOf(await begunOnceFree(there, token))).toEqual({ state: 'spent' });
    expect(hintOf(await begunOnceFree(there, next))).toEqual({
      state: 'active',
      rowId: '42',
    });
  });

  it('keeps tokens apart', async () => {
    const [here, there] = caches();
    const [one, other] = [fresh(), fresh()];
    await here.begin(one);
    expect((await there.begin(other)).kind).toBe('begun');
  });

  it('takes a token without a user, and one with braces in its id', async () => {
    const [here, there] = caches();
    for (const jti of [randomUUID(), `{x}${randomUUID()}{y}`]) {
      const token = { jti, userKey: undefined };
      await here.begin(token);
      await here.finish(token, { spent: jti, successor: { jti: `${jti}'`, rowId: '7', claimedAtUs: 1 } });
      expect(hintOf(await begunOnceFree(there, token))).toEqual({ state: 'spent' });
    }
  });

  it('calls a token spent that others blacklisted', async () => {
    const [here, there] = caches();
    const [token, next] = [fresh(), fresh()];
    const successor = { ...next, userKey: token.userKey };
    await begunOnceFree(here, token);
    await here.finish(token, { spent: token.jti, successor: { jti: next.jti, rowId: '7', claimedAtUs: 1 } });
    expect(hintOf(await begunOnceFree(here, successor))).toEqual({
      state: 'active',
      rowId: '7',
    });
    await here.finish(successor, undefined);
    here.noteSpent([successor, fresh()]);
    there.noteSpent([successor]);
    // Redis is told without being waited for.
    for (const cache of [here, there]) {
      const begun = await begunOnceFree(cache, successor);
      expect(hintOf(begun)).toEqual({ state: 'spent' });
      await cache.finish(successor, undefined);
    }
  });
}

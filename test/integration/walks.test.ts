import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { plantFamily, type Family, type FamilyOptions } from '../support/families.js';
import { createUsers, openClient } from '../support/postgres.js';
import type { Instance } from '../support/rotation.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

const KEY = randomBytes(32);
const OLD_KEY = randomBytes(32);
const LONG = 1_000;
const MONTH = 30 * 86_400;

/** One to look at the token itself and five that leap; to close the tip, and what was passed. */
const FEW = 12;

describe.skipIf(services().postgres === undefined)('a log-out with an old token of a long family', () => {
  const world = rotationWorld();

  const plant = async (options: Partial<FamilyOptions> = {}): Promise<Family> => {
    const [userId = 1] = await createUsers(world.url, 1);
    return plantFamily(world.url, { userId, generations: LONG, keyOf: () => KEY, ...options });
  };
  const start = (options: Parameters<typeof world.start>[0] = {}) =>
    world.start({ chainKeys: [KEY], ...options });
  /** Statements of log-outs while something is done. */
  const counting = async ({ statements }: Instance, work: () => Promise<unknown>): Promise<number> => {
    const before = statements.get('revoke') ?? 0;
    await work();
    return (statements.get('revoke') ?? 0) - before;
  };
  /** As a client does it: what was answered 503 is asked again. */
  const logOut = async ({ service }: Instance, { token }: { readonly token: string }) => {
    while ((await service.logout(token)).kind === 'unavailable') await sleep(20);
  };
  const live = async ({ first }: Family) =>
    (
      await world.sql<{ jti: string }>(
        `SELECT jti FROM token_blacklist_outstandingtoken o
          WHERE user_id = $1 AND NOT EXISTS (SELECT FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)`,
        [first.userId],
      )
    ).map(({ jti }) => jti);
  const remove = async (jtis: readonly string[]) => {
    await world.sql(
      `WITH gone AS (SELECT id FROM token_blacklist_outstandingtoken WHERE jti = ANY ($1)),
            spent AS (DELETE FROM token_blacklist_blacklistedtoken WHERE token_id IN (SELECT id FROM gone))
       DELETE FROM token_blacklist_outstandingtoken WHERE id IN (SELECT id FROM gone)`,
      [jtis],
    );
  };
  const revive = async (jtis: readonly string[]) => {
    await world.sql(
      `DELETE FROM token_blacklist_blacklistedtoken b USING token_blacklist_outstandingtoken o
        WHERE o.id = b.token_id AND o.jti = ANY ($1)`,
      [jtis],
    );
  };

  it('finds the tip in a few statements', async () => {
    const [instance, family] = [await start(), await plant()];
    const took = await counting(instance, async () =>
      expect(await instance.service.logout(family.first.token)).toEqual({ kind: 'logged_out' }),
    );
    expect(took).toBeLessThanOrEqual(FEW);
    expect(await live(family)).toEqual([]);
    expect(instance.events).toContainEqual({ kind: 'revocation', cause: 'logout', end: 'tip', rows: 1 });
    expect(await instance.service.refresh(family.tip.token)).toEqual({ kind: 'blacklisted' });
  });

  it('and so does a reuse that revokes the family', async () => {
    const [instance, family] = [await start({ onReuse: 'revoke-family' }), await plant()];
    const took = await counting(instance, async () =>
      expect(await instance.service.refresh(family.first.token)).toEqual({ kind: 'blacklisted' }),
    );
    expect(took).toBeLessThanOrEqual(FEW);
    expect(await live(family)).toEqual([]);
  });

  it('walks it once, whoever asks at the same time and afterwards, with whichever of its tokens', async () => {
    const [instance, family] = [await start(), await plant()];
    const same = Array.from({ length: 20 }, () => family.first);
    const others = Array.from({ length: 20 }, (_, n) => family.at(n * 45));
    const all = [...same, ...others];
    const took = await counting(instance, async () => {
      const ends = await Promise.all(all.map(({ token }) => instance.service.logout(token)));
      expect(ends).toContainEqual({ kind: 'logged_out' });
    });
    // Each asks for its own row to be closed; a walk of another token looks at its neighbours, and where the first ended.
    expect(took).toBeLessThanOrEqual(all.length + FEW + 3 * others.length);
    expect(await live(family)).toEqual([]);
    const again = await counting(instance, () => instance.service.logout(family.first.token));
    expect(again).toBe(2);
  });

  it('twenty at once share one walk, and are told the same', async () => {
    const [instance, family] = [await start(), await plant()];
    const took = await counting(instance, async () => {
      const ends = await Promise.all(
        Array.from({ length: 20 }, () => instance.service.logout(family.first.token)),
      );
      expect(ends).toContainEqual({ kind: 'logged_out' });
    });
    expect(took).toBeLessThanOrEqual(20 + FEW + 2);
  });

  it('goes on over changes of the chain key', async () => {
    const instance = await start({ chainKeys: [KEY, OLD_KEY] });
    const keys: FamilyOptions['keyOf'][] = [
      (n) => (n < LONG / 2 ? OLD_KEY : KEY),
      // While instances with both were at work.
      (n) => (n % 500 < 400 || n % 3 === 0 ? OLD_KEY : KEY),
    ];
    for (const keyOf of keys) {
      const family = await plant({ keyOf });
      expect(await instance.service.logout(family.first.token)).toEqual({ kind: 'logged_out' });
      expect(await live(family)).toEqual([]);
      expect(await instance.service.refresh(family.tip.token)).toEqual({ kind: 'blacklisted' });
    }
    expect(instance.events.filter((event) => 'end' in event && event.end === 'escalated')).toEqual([]);
  });

  it('closes what a failover made live again on the way', async () => {
    const [instance, family] = [await start(), await plant()];
    await revive([3, 77, 78, 500, 900].map((n) => family.jtis[n]!));
    expect(await instance.service.logout(family.first.token)).toEqual({ kind: 'logged_out' });
    expect(await live(family)).toEqual([]);
  });

  it('closes the tip again that a restore made live', async () => {
    const [instance, family] = [await start(), await plant()];
    await instance.service.logout(family.first.token);
    await revive([family.tip.jti]);
    expect(await instance.service.logout(family.first.token)).toEqual({ kind: 'logged_out' });
    expect(await live(family)).toEqual([]);
    // And what was lost altogether isn't missed.
    await remove(family.jtis.slice(-200));
    await revive([family.jtis[LONG - 200]!]);
    expect(await instance.service.logout(family.at(300).token)).toEqual({ kind: 'logged_out' });
    expect(await live(family)).toEqual([]);
  });

  it.each([
    ['its first rows', 1, 700],
    ['all but the last ones', 1, LONG - 5],
    ['a part in the middle', 300, 990],
  ])('reaches the tip though %s were cleaned up', async (_, from, to) => {
    const instance = await start();
    // The operator shortened the lifetime: an old token outlives what came of it.
    const family = await plant({ ageSeconds: 20 * 86_400, firstLifetimeSeconds: MONTH });
    await remove(family.jtis.slice(from, to));
    const login = await world.login({ userId: family.first.userId });
    expect(await instance.service.logout(family.first.token)).toEqual({ kind: 'logged_out' });
    expect(await live(family)).toEqual([login.jti]);
  });

  it('revokes the user where the key was changed in what was cleaned up', async () => {
    const instance = await start({ chainKeys: [KEY, OLD_KEY] });
    const keyOf = (n: number) => (n < 100 ? OLD_KEY : KEY);
    const family = await plant({ ageSeconds: 20 * 86_400, firstLifetimeSeconds: MONTH, keyOf });
    await remove(family.jtis.slice(1, LONG - 5));
    expect(await instance.service.logout(family.first.token)).toEqual({ kind: 'logged_out' });
    expect(instance.events).toContainEqual(expect.objectContaining({ end: 'escalated' }));
    expect(await live(family)).toEqual([]);
  });

  it('wins against refreshes at the tip', async () => {
    const instance = await start();
    for (let round = 0; round < 3; round++) {
      const family = await plant({ generations: 300 });
      let token = family.tip.token;
      let refreshed = 0;
      const client = (async () => {
        for (;;) {
          const outcome = await instance.service.refresh(token);
          if (outcome.kind !== 'rotated') return outcome;
          token = outcome.refresh;
          refreshed++;
        }
      })();
      while (refreshed < 3) await sleep(1);
      expect(await instance.service.logout(family.first.token)).toEqual({ kind: 'logged_out' });
      expect(await client).toEqual({ kind: 'blacklisted' });
      expect(await live(family)).toEqual([]);
    }
  });

  it('that is not done in its time revokes the user, in time', async () => {
    const [instance, family] = [await start(), await plant()];
    const another = await world.login({ userId: family.first.userId });
    // Three quarters of its time are over then.
    for (let n = 0; n < 3; n++) instance.faults.push({ purpose: 'revoke', what: { answerLateMs: 1_280 } });
    const begun = performance.now();
    expect(await instance.service.logout(family.first.token)).toEqual({ kind: 'logged_out' });
    expect(performance.now() - begun).toBeLessThan(5_500);
    expect(instance.events).toContainEqual({
      kind: 'revocation',
      cause: 'logout',
      end: 'escalated',
      rows: 2,
    });
    expect(await live(family)).toEqual([]);
    expect(await instance.service.refresh(another.token)).toEqual({ kind: 'blacklisted' });
  });

  it('leaves nothing running once its time is over', async () => {
    const instance = await start({ requestTimeoutMs: 1_000 });
    const families = await Promise.all(Array.from({ length: 20 }, () => plant({ generations: 150 })));
    instance.faults.push(
      ...Array.from({ length: 400 }, () => ({ purpose: 'revoke', what: { answerLateMs: 100 } }) as const),
    );
    const begun = performance.now();
    const ends = await Promise.all(families.map(({ first }) => instance.service.logout(first.token)));
    expect(ends).toContainEqual({ kind: 'unavailable', retryAfterSeconds: 1 });
    expect(performance.now() - begun).toBeLessThan(2_000);
    await sleep(2_000);
    expect(await counting(instance, () => sleep(500))).toBe(0);
    instance.faults.length = 0;
    for (const { first } of families) await logOut(instance, first);
    for (const family of families) expect(await live(family)).toEqual([]);
  });

  it('leaves refreshes their connections, however many log out', async () => {
    const instance = await start();
    const families = await Promise.all(Array.from({ length: 20 }, () => plant({ generations: 100 })));
    const users = await createUsers(world.url, 20);
    const clients = await Promise.all(users.map((userId) => world.login({ userId })));
    const django = await openClient(world.url);
    let most = 0;
    try {
      // Each of them waits for its row, as long as it may.
      await django.query('BEGIN');
      await django.query(
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = ANY ($1)`,
        [families.map(({ tip }) => tip.jti)],
      );
      const logouts = families.map(({ first }) => instance.service.logout(first.token));
      let untilMs = performance.now() + 10_000;
      const refreshes = clients.map(async ({ token }) => rotated(await instance.service.refresh(token)));
      while (performance.now() < untilMs) {
        const [row] = await world.sql<{ count: number }>(
          `SELECT count(*)::int AS count FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        if (most === 0 && row!.count > 0) untilMs = performance.now() + 300;
        most = Math.max(most, row!.count);
        await sleep(5);
      }
      await Promise.all(refreshes);
      await django.query('ROLLBACK');
      await Promise.all(logouts);
      for (const { first } of families) await logOut(instance, first);
    } finally {
      await django.end();
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2);
    for (const family of families) expect(await live(family)).toEqual([]);
  });

  it('shares the connections that it may have with all else that logs out', async () => {
    const instance = await start({ revoking: 1 });
    const planted = await Promise.all(Array.from({ length: 8 }, () => plant({ generations: 100 })));
    const [known, unknown] = [planted.slice(0, 4), planted.slice(4)];
    for (const { first } of known) await instance.service.logout(first.token);
    const users = await createUsers(world.url, 20);
    const logins = await Promise.all(users.map((userId) => world.login({ userId })));
    let [now, most] = [0, 0];
    const take = async (): Promise<void> => {
      most = Math.max(most, ++now);
      await sleep(10);
      now--;
    };
    instance.faults.push(...Array.from({ length: 400 }, () => ({ purpose: 'revoke', what: take }) as const));
    const presented = [...known, ...unknown].map(({ first }) => first).concat(logins);
    await Promise.all(
      presented.map(async ({ token }, n) => {
        await sleep(5 * (n % 16));
        await instance.service.logout(token);
      }),
    );
    instance.faults.length = 0;
    for (const token of presented) await logOut(instance, token);
    expect(most).toBe(1);
    for (const family of planted) expect(await live(family)).toEqual([]);
  });
});

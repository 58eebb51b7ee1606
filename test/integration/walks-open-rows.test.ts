import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { createChain } from '../../src/rotation/chain.js';
import type { Revoking } from '../../src/rotation/revocation-ports.js';
import { Trails } from '../../src/rotation/trails.js';
import { walkFamily } from '../../src/rotation/walk.js';
import { openRowsSql } from '../../src/store/revocation-sql.js';
import { DEED, plantFamily, type Family } from '../support/families.js';
import { createUsers } from '../support/postgres.js';
import { grantedRole } from '../support/granted-role.js';
import { startInstance, type Instance } from '../support/rotation.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

const KEY = randomBytes(32);
/** More than a walk looks at one by one. */
const LONG = 600;

describe.skipIf(services().postgres === undefined)("a user's open rows", () => {
  const world = rotationWorld();
  let instance: Instance;
  let family: Family;
  let userId: number | string;
  beforeAll(async () => {
    instance = await world.start({ chainKeys: [KEY] });
    [userId = 1] = await createUsers(world.url, 1);
    family = await plantFamily(world.url, { userId, generations: LONG, keyOf: () => KEY });
    await plantFamily(world.url, {
      userId: (await createUsers(world.url, 1))[0]!,
      generations: 5,
      keyOf: () => KEY,
    });
  });
  const revive = (...generations: number[]) =>
    world.sql(
      `DELETE FROM token_blacklist_blacklistedtoken b USING token_blacklist_outstandingtoken o
        WHERE o.id = b.token_id AND o.jti = ANY ($1)`,
      [generations.map((n) => family.jtis[n])],
    );
  const open = (jtis: readonly string[]) =>
    world.sql(
      `SELECT jti FROM token_blacklist_outstandingtoken o
        WHERE jti = ANY ($1) AND NOT EXISTS (SELECT FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)`,
      [jtis],
    );
  const ask = async (more: Partial<Parameters<Revoking['openRowsOf']>[0]> = {}) => {
    const told = await instance.revocations.openRowsOf(
      { userKey: String(userId), witness: family.jtis[64]!, mostRows: LONG + 10, ...more },
      Infinity,
    );
    return told?.map(({ jti }) => jti).sort();
  };

  it('are told where they are as many as was asked for, and no others', async () => {
    await revive(3, 300);
    const login = await world.login({ userId });
    const expected = [family.jtis[3]!, family.jtis[300]!, family.tip.jti, login.jti].sort();
    expect(await ask()).toEqual(expected);
    expect(await ask({ mostRows: LONG + 2 })).toEqual(expected);
    expect(await ask({ mostRows: LONG + 1 })).toBeUndefined();
  });

  it('are read with rests, if others have connections of their own, and the answer is the same', async () => {
    const { schema } = instance;
    const read = async (...restSeconds: number[]) => {
      const values = [String(userId), family.jtis[64], LONG + 10, 100, schema.outstanding, ...restSeconds];
      const startedMs = performance.now();
      const rows = await world.sql(openRowsSql(schema, restSeconds.length > 0), values);
      return { rows, tookMs: performance.now() - startedMs };
    };
    const [rested, atOnce] = [await read(0.2), await read()];
    expect(rested.rows).toEqual(atOnce.rows);
    // One of 512 rows each way.
    expect(rested.tookMs).toBeGreaterThan(400);
    expect(atOnce.tookMs).toBeLessThan(rested.tookMs);
  });

  it('are told a role that may not rest, too', async () => {
    const role = await grantedRole(world.url);
    await world.sql('REVOKE EXECUTE ON FUNCTION pg_sleep(float8) FROM PUBLIC');
    const limited = await startInstance(role.url, { chainKeys: [KEY] });
    try {
      const asked = { userKey: String(userId), witness: family.jtis[64]!, mostRows: LONG + 10 };
      for (const time of ['first', 'second']) {
        const told = await limited.revocations.openRowsOf(asked, Infinity);
        expect([time, told?.map(({ jti }) => jti).sort()]).toEqual([time, await ask()]);
      }
    } finally {
      await limited.close();
      await world.sql('GRANT EXECUTE ON FUNCTION pg_sleep(float8) TO PUBLIC');
      await role.drop();
    }
  });

  it('are not told by a token that has no row, or one that says another user, or none', async () => {
    expect(await ask({ witness: 'none' })).toBeUndefined();
    const other = await world.login();
    expect(await ask({ witness: other.jti })).toBeUndefined();
    const nobody = await world.login({ userId });
    await world.sql('UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE jti = $1', [
      nobody.jti,
    ]);
    expect(await ask({ witness: nobody.jti })).toBeUndefined();
    expect(await ask({ userKey: '2147483647' })).toBeUndefined();
  });

  it('are not told where there are more than anybody has sessions', async () => {
    const [many = 1] = await createUsers(world.url, 1);
    const insert = (from: number, to: number) =>
      world.sql(
        `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
         SELECT 'x', now(), now() + interval '1 hour', $1, 'many ' || n FROM generate_series($2::int, $3::int) n`,
        [many, from, to],
      );
    const asked = { userKey: String(many), witness: 'many 1', mostRows: 5_000 };
    await insert(1, 1_000);
    expect(await ask(asked)).toHaveLength(1_000);
    await insert(1_001, 1_001);
    expect(await ask(asked)).toBeUndefined();
  });

  it('of a user who was deleted and made anew are closed by a log-out where they live again', async () => {
    const [again = 1] = await createUsers(world.url, 1);
    family = await plantFamily(world.url, { userId: again, generations: LONG, keyOf: () => KEY });
    userId = again;
    // Django takes the user off all rows of the moment; one of the same key is made anew.
    await world.sql('UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE jti = ANY ($1)', [
      family.jtis.slice(0, 400),
    ]);
    await revive(200, 500);
    expect(await instance.service.logout(family.first.token)).toEqual({ kind: 'logged_out' });
    expect(await open(family.jtis)).toEqual([]);
  });

  it('that are claimed while they are closed are looked for again: what came of them is closed, too', async () => {
    [userId = 1] = await createUsers(world.url, 1);
    family = await plantFamily(world.url, { userId, generations: LONG, keyOf: () => KEY });
    await revive(300);
    // With it was lost what came of it, so that it can be refreshed again.
    await world.sql(
      `WITH spent AS (
         DELETE FROM token_blacklist_blacklistedtoken b USING token_blacklist_outstandingtoken o
          WHERE o.id = b.token_id AND o.jti = $1)
       SELECT`,
      [family.jtis[301]],
    );
    await world.sql('DELETE FROM token_blacklist_outstandingtoken WHERE jti = $1', [family.jtis[301]]);
    const { revocations } = instance;
    const claimed: string[] = [];
    const ports: Revoking = {
      ...revocations.as(DEED),
      async openRowsOf(...given) {
        const told = await revocations.openRowsOf(...given);
        if (claimed.length === 0)
          claimed.push(rotated(await instance.service.refresh(family.at(300).token)).jti);
        return told;
      },
    };
    const { end, rows } = await walkFamily(
      {
        chain: createChain([KEY]),
        revocations: ports,
        trails: new Trails(),
        successorLifeSeconds: Infinity,
        giveUpMs: Infinity,
        monotonicMs: () => performance.now(),
        beforeLongWay: () => Promise.resolve(),
      },
      { jti: family.first.jti, userKey: String(userId) },
    );
    expect(claimed).toEqual([family.jtis[301]]);
    expect(end).toBe('tip');
    expect(rows).toBe(2);
    expect(await open(family.jtis)).toEqual([]);
  });

  it('are not asked for where no index leads to them', async () => {
    expect(await ask({ witness: family.jtis[1]! })).toEqual([]);
    const indexes = await world.sql<{ name: string; made: string }>(
      `SELECT indexname AS name, indexdef AS made FROM pg_indexes
        WHERE tablename = 'token_blacklist_outstandingtoken' AND indexdef LIKE '%(user_id%'`,
    );
    expect(indexes.length).toBeGreaterThan(0);
    for (const { name } of indexes) await world.sql(`DROP INDEX "${name}"`);
    expect(await ask({ witness: family.jtis[1]! })).toBeUndefined();
    await world.sql(indexes[0]!.made);
    expect(await ask({ witness: family.jtis[1]! })).toEqual([]);
  });
});

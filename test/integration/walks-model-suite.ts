import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { createChain } from '../../src/rotation/chain.js';
import type { OpenRow, Revocations, Revoking } from '../../src/rotation/revocation-ports.js';
import { Trails } from '../../src/rotation/trails.js';
import { walkFamily } from '../../src/rotation/walk.js';
import { DEED, plantFamily, type Family } from '../support/families.js';
import { createUsers } from '../support/postgres.js';
import { rotationWorld } from '../support/rotation-world.js';

const KEYS = [randomBytes(32), randomBytes(32)] as const;
const DAY = 86_400;
const LIFETIME = DAY / 2;
/** More than any walk takes on a busy machine. */
const PATIENCE_MS = 60_000;

/** Which of the keys each rotation used. */
const KEY_OF = {
  one: () => 0,
  changed: (n: number) => (n < 200 ? 1 : 0),
  'changed back and forth': (n: number) => (n % 150 < 100 || n % 3 === 0 ? 1 : 0),
} as const;

const generation = fc.integer({ min: 0, max: 700 });
const states = fc.record({
  generations: fc.integer({ min: 350, max: 700 }),
  keys: fc.constantFrom('one', 'one', ...Object.keys(KEY_OF)) as fc.Arbitrary<keyof typeof KEY_OF>,
  from: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100 })),
  /** Lost by a failover or a restore: they live again. */
  revived: fc.array(generation, { maxLength: 12 }),
  /** Cleaned up, or lost as well. */
  removed: fc.array(fc.tuple(generation, fc.integer({ min: 1, max: 80 })), { maxLength: 2 }),
  tipOpen: fc.boolean(),
  /** So old that what followed a token may have been cleaned up. */
  old: fc.boolean(),
  /** The user was deleted when the family was so long, and made anew: Django takes users off their rows. */
  nobodyUpTo: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 100, max: 700 }) },
  ),
  otherSessions: fc.integer({ min: 0, max: 3 }),
  /** Of other families of the user, spent. */
  otherRows: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(2_500) }),
});
type State = typeof states extends fc.Arbitrary<infer T> ? T : never;

/** Of a dozen that are drawn it may be that none is walked that way. */
const SURELY_BY_USER: State = {
  generations: 600, keys: 'one', from: 0, revived: [300], removed: [], tipOpen: true, old: false,
  nobodyUpTo: 0, otherSessions: 1, otherRows: 0,
}; // prettier-ignore

/**
 * Random families, each planted twice. One is walked as `serve` does, the other by looking at each token that is passed, which
 * is how it was done before a user's open rows were asked for: both must come to the same.
 */
export function walksModelSuite(runs: number): void {
  const world = rotationWorld();
  let revocations: Revocations;
  beforeAll(async () => {
    ({ revocations } = await world.start());
  });

  async function plant(state: State): Promise<Family> {
    const [userId = 1] = await createUsers(world.url, 1);
    const keyOf = KEY_OF[state.keys];
    const family = await plantFamily(world.url, {
      userId,
      generations: state.generations,
      keyOf: (n) => KEYS[keyOf(n)]!,
      ...(state.old && { ageSeconds: 20 * DAY, firstLifetimeSeconds: 30 * DAY }),
    });
    const at = (n: number) => family.jtis[n] ?? [];
    const revived = state.revived.flatMap(at);
    const removed = state.removed.flatMap(([from, length]) =>
      Array.from({ length }, (_, n) => from + n)
        // The one that is presented stands.
        .filter((n) => n !== state.from)
        .flatMap(at),
    );
    await world.sql(
      `WITH spent AS (
         DELETE FROM token_blacklist_blacklistedtoken b USING token_blacklist_outstandingtoken o
          WHERE o.id = b.token_id AND o.jti = ANY ($1)
       )
       INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
       SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $2`,
      [[...revived, ...removed], state.tipOpen ? '' : family.tip.jti],
    );
    // The tip's row, where it is closed and removed.
    await world.sql(
      `DELETE FROM token_blacklist_blacklistedtoken b USING token_blacklist_outstandingtoken o
        WHERE o.id = b.token_id AND o.jti = ANY ($1)`,
      [removed],
    );
    await world.sql('DELETE FROM token_blacklist_outstandingtoken WHERE jti = ANY ($1)', [removed]);
    await world.sql('UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE jti = ANY ($1)', [
      family.jtis.slice(0, state.nobodyUpTo),
    ]);
    for (let n = 0; n < state.otherSessions; n++) await world.login({ userId });
    await world.sql(
      `WITH other AS (
         INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
         SELECT 'x', now(), now() + interval '1 hour', $1::int, $2::text || n FROM generate_series(1, $3::int) n
         RETURNING id
       )
       INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) SELECT now(), id FROM other`,
      [userId, `other of ${userId} `, state.otherRows],
    );
    return family;
  }

  async function walked(state: State, openRowsOf: Revoking['openRowsOf']) {
    const family = await plant(state);
    const { userId } = family.first;
    const ports: Revoking = {
      ...revocations.as(DEED),
      openRowsOf,
    };
    const { end, rows } = await walkFamily(
      {
        chain: createChain(KEYS),
        revocations: ports,
        trails: new Trails(),
        successorLifeSeconds: LIFETIME,
        giveUpMs: performance.now() + PATIENCE_MS,
        monotonicMs: () => performance.now(),
        beforeLongWay: () => Promise.resolve(),
      },
      { jti: family.jtis[state.from]!, userKey: String(userId) },
    );
    const open = await world.sql<{ jti: string }>(
      `SELECT o.jti FROM token_blacklist_outstandingtoken o
        WHERE (o.user_id = $1 OR o.jti = ANY ($2))
          AND NOT EXISTS (SELECT FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)`,
      [userId, family.jtis],
    );
    const places = open.map(({ jti }) => family.jtis.indexOf(jti)).sort((a, b) => a - b);
    return { end, rows, open: places };
  }

  it(`ends alike and closes the same, in ${runs} random families`, async () => {
    let byUser = 0;
    const asServed: Revoking['openRowsOf'] = async (...given) => {
      const told: readonly OpenRow[] | undefined = await revocations.openRowsOf(...given);
      if (told !== undefined) byUser++;
      return told;
    };
    await fc.assert(
      fc.asyncProperty(states, async (state) => {
        const one = await walked(state, asServed);
        const other = await walked(state, () => Promise.resolve(undefined));
        expect(one).toEqual(other);
      }),
      {
        numRuns: runs,
        examples: [[SURELY_BY_USER]],
        ...(process.env['SEED'] !== undefined && { seed: Number(process.env['SEED']) }),
      },
    );
    expect(byUser).toBeGreaterThan(0);
  });
}

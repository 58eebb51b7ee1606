/** Whatever changes while Django answers: where both have the same settings, no answer is called different. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compare } from '../../../src/shadow/compare.js';
import { verdictOn, type Stood, type Verdict } from '../../../src/shadow/verdict.js';
import { answer, ourGrant, ourRefusal, refusal, REQUEST, RULES } from './rules.js';

/** What happens around a request, in milliseconds: it comes at 0. */
interface World {
  /** Django reads so long after it, answers so long after that, and then the rows are looked at. */
  readonly djangoReadsMs: number;
  readonly answersAfterMs: number;
  readonly looksAfterMs: number;
  /** When the horizon was taken. */
  readonly horizonMs: number;
  /** When the token's blacklist row became visible; null: never. By Django's clock it says `stampedMs` earlier. */
  readonly blacklistedMs: number | null;
  readonly stampedMs: number;
  /** When the user was switched on or off, in turn; the first state is `active`. */
  readonly active: boolean;
  readonly switchesMs: readonly number[];
  readonly isStandby: boolean;
}

const time = fc.integer({ min: -10_000, max: 10_000 });
const worlds: fc.Arbitrary<World> = fc.record({
  djangoReadsMs: fc.integer({ min: 0, max: 3_000 }),
  answersAfterMs: fc.integer({ min: 0, max: 3_000 }),
  looksAfterMs: fc.integer({ min: 0, max: 3_000 }),
  horizonMs: fc.integer({ min: -5_000, max: 0 }),
  blacklistedMs: fc.option(time),
  // A long transaction, or a clock that is ahead.
  stampedMs: fc.integer({ min: -3_000, max: 20_000 }),
  active: fc.boolean(),
  switchesMs: fc.array(time, { maxLength: 4 }).map((times) => times.sort((a, b) => a - b)),
  isStandby: fc.boolean(),
});

const isBlacklistedAt = ({ blacklistedMs }: World, ms: number) =>
  blacklistedMs !== null && blacklistedMs <= ms;
const isActiveAt = ({ active, switchesMs }: World, ms: number) =>
  (switchesMs.filter((at) => at <= ms).length % 2 === 0) === active;

/** @param checks what Django looks at */
function verdict(world: World, checks: { blacklist: boolean; user: boolean }): Promise<Verdict> {
  const readMs = world.djangoReadsMs;
  const lookMs = readMs + world.answersAfterMs + world.looksAfterMs;
  const django =
    checks.blacklist && isBlacklistedAt(world, readMs)
      ? refusal('blacklisted')
      : checks.user && !isActiveAt(world, readMs)
        ? refusal('inactive')
        : answer(200, {});
  const seen = isBlacklistedAt(world, lookMs);
  const blacklistedAtUs =
    seen && world.blacklistedMs !== null ? (world.blacklistedMs - world.stampedMs) * 1000 : undefined;
  const stood: Stood = {
    blacklisted: seen && world.blacklistedMs !== null ? world.blacklistedMs < world.horizonMs : null,
    user: (world.switchesMs.filter((at) => at <= lookMs).at(-1) ?? -Infinity) < world.horizonMs,
    revocation: null,
    isStandby: world.isStandby,
  };
  return verdictOn({
    arrivedAtUs: 0,
    look: {
      asked: {
        jti: 'a', candidates: [], userKey: '1', startSeconds: undefined, expiresAtSeconds: 0,
      },
      state: { row: { id: '1', blacklistedAtUs }, successor: undefined, standing: 'good', readAtUs: 0 },
    },
    would: async (asUnspent) =>
      seen && !asUnspent
        ? ourRefusal('blacklisted')
        : isActiveAt(world, lookMs)
          ? ourGrant()
          : ourRefusal('inactive'),
    differing: (ours) => compare(django, ours, RULES, REQUEST),
    mark: async () => stood,
  }); // prettier-ignore
}

it('finds no difference in any race', async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async (world) => {
      const found = await verdict(world, { blacklist: true, user: true });
      if (found.kind === 'compared') expect(found.found).toEqual([]);
    }),
    { numRuns: 20_000 },
  );
});

it('finds each difference that stood before the request came', async () => {
  const longAgo = fc.integer({ min: -10_000, max: -6_000 });
  const settled = fc.record({ at: longAgo, world: worlds }).map(({ at, world }) => ({
    ...world,
    isStandby: false,
    stampedMs: 0,
    blacklistedMs: at,
    switchesMs: [],
    active: true,
  }));
  await fc.assert(
    fc.asyncProperty(settled, async (world) => {
      expect(await verdict(world, { blacklist: false, user: true })).toMatchObject({
        kind: 'compared',
        found: [{ code: 'blacklisted_accepted' }],
      });
      const ofUser = { ...world, blacklistedMs: null, active: false };
      expect(await verdict(ofUser, { blacklist: true, user: false })).toMatchObject({
        kind: 'compared',
        found: [{ code: 'user_refused' }],
      });
    }),
  );
});

it('a user who is refused here is found though Django blacklists the token as it answers', async () => {
  const world: World = {
    djangoReadsMs: 5, answersAfterMs: 5, looksAfterMs: 5, horizonMs: -100, blacklistedMs: 7, stampedMs: 0,
    active: false, switchesMs: [], isStandby: false,
  }; // prettier-ignore
  expect(await verdict(world, { blacklist: true, user: false })).toMatchObject({
    kind: 'compared',
    found: [{ code: 'user_refused' }],
  });
});

it('a standby, and a database of which nothing is known, prove nothing', async () => {
  const world: World = {
    djangoReadsMs: 5, answersAfterMs: 5, looksAfterMs: 5, horizonMs: -100, blacklistedMs: -9_000, stampedMs: 0,
    active: true, switchesMs: [], isStandby: true,
  }; // prettier-ignore
  expect(await verdict(world, { blacklist: false, user: true })).toEqual({
    kind: 'undecided',
    why: 'changing',
  });
});

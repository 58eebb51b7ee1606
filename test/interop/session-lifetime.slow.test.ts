import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startConversation } from '../support/django.js';
import type { Conversation } from '../support/django/process.js';
import { rotated } from '../support/rotation-world.js';
import { startInstance, type Instance } from '../support/rotation.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';

const HOUR = 3_600;
const SESSION_SECONDS = 10 * HOUR;
const REFRESH_SECONDS = 6 * HOUR;
const ACCESS_SECONDS = 900;
const SPREAD = 0.3;
/** Long ago enough that no clock gets ahead of the database's. */
const BEGAN_AGO_SECONDS = 40 * HOUR;

const SESSIONS = 30;
const STEPS = 40;
/** What is asked for; the numbers above are such that there are more. */
const ROTATIONS = 200;

interface Step {
  readonly at: 'one' | 'other' | 'django';
  readonly afterSeconds: number;
}

const step = fc.record<Step>({
  at: fc.constantFrom('one', 'other', 'django'),
  // Mostly as clients come, and sometimes after a night.
  afterSeconds: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: HOUR }) },
    { weight: 1, arbitrary: fc.integer({ min: HOUR, max: 7 * HOUR }) },
  ),
});

const { postgres, django } = services();

describe.skipIf(postgres === undefined || !django)('--session-lifetime beside a Django', () => {
  let database: FreshDatabase;
  let site: Conversation;
  let instances: { readonly one: Instance; readonly other: Instance };
  let nowSeconds = 0;

  beforeAll(async () => {
    database = await freshDatabase();
    const env = { DJANGO_REFRESH_SECONDS: String(REFRESH_SECONDS) };
    site = await startConversation({ database: database.url, env });
    await applyMigrations(database.url, { createTables: false, notify: false });
    const start = () =>
      startInstance(database.url, {
        clock: { nowUs: () => nowSeconds * 1_000_000 },
        sessionLifetimeSeconds: SESSION_SECONDS,
        tellsStart: true,
        lifetimeSpread: SPREAD,
        refreshLifetimeSeconds: REFRESH_SECONDS,
        accessLifetimeSeconds: ACCESS_SECONDS,
        // The rows are dated by a clock that was moved: a repeat is an old one by the database's.
        graceUs: 100 * HOUR * 1_000_000,
      });
    instances = { one: await start(), other: await start() };
  });
  afterAll(async () => {
    await Promise.all([instances.one.close(), instances.other.close(), site.stop()]);
    await database.drop();
  });

  const moveTo = async (seconds: number): Promise<void> => {
    nowSeconds = seconds;
    await site.ask(`set_clock(${seconds})`);
  };
  const rotateAtDjango = (token: string) =>
    site.ask<{ refresh: string; access: string } | null>(`rotate("${token}")`);

  /** By one of our instances: held to the session's end, and repeated by both. */
  async function rotateHere(at: 'one' | 'other', token: string, startSeconds: number) {
    const pair = rotated(await instances[at].service.refresh(token));
    const { claims } = decodeToken(pair.refresh);
    const access = decodeToken(pair.access).claims;
    const end = startSeconds + SESSION_SECONDS;
    expect(claims).toMatchObject({
      carelink_start: startSeconds,
      exp: Math.min(nowSeconds + REFRESH_SECONDS, end),
    });
    expect(access).not.toHaveProperty('carelink_start');
    expect(access['exp']).toBeLessThanOrEqual(Math.min(nowSeconds + ACCESS_SECONDS, end));
    expect(access['exp']).toBeGreaterThanOrEqual(Math.min(nowSeconds + ACCESS_SECONDS * (1 - SPREAD), end));
    for (const instance of Object.values(instances)) {
      const again = rotated(await instance.service.refresh(token));
      expect(again).toEqual({ ...pair, replayed: true });
    }
    const [row] = await query<{ exp: string }>(
      database.url,
      `SELECT extract(epoch FROM expires_at)::bigint::text AS exp
         FROM token_blacklist_outstandingtoken WHERE jti = $1`,
      [pair.jti],
    );
    expect(row?.exp).toBe(String(claims['exp']));
    return pair.refresh;
  }

  it(`${ROTATIONS} rotations, here and there in turn: none of ours outlives its session`, async () => {
    let [rotations, ends] = [0, 0];
    const [user] = await site.ask<string[]>('[User.objects.create(username="nurse").pk]');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: STEPS, maxLength: STEPS }), async (steps) => {
        await moveTo(Math.floor(Date.now() / 1000) - BEGAN_AGO_SECONDS);
        let { refresh: token } = await site.ask<{ refresh: string }>(`mint(User.objects.get(pk=${user}))`);
        let ours = false;
        let begun: number | undefined;
        for (const { at, afterSeconds } of steps) {
          await moveTo(nowSeconds + afterSeconds);
          const start = startOf(token);
          // Once one of ours has said it, it stays, whoever rotates.
          begun ??= ours ? start : undefined;
          expect(start).toBe(begun ?? start);
          const end = start + SESSION_SECONDS;
          const dead = Number(decodeToken(token).claims['exp']) <= nowSeconds;
          if (nowSeconds >= end || dead) {
            for (const { service } of Object.values(instances)) {
              expect(await service.refresh(token)).toEqual({ kind: 'invalid', reason: 'expired' });
              expect((await service.verify(token)).kind).toBe('invalid');
            }
            // Django knows nothing of sessions: what it has made itself it may go on with.
            if (ours || dead) expect(await rotateAtDjango(token)).toBe(null);
            ends += nowSeconds >= end ? 1 : 0;
            return;
          }
          if (at === 'django') {
            token = (await rotateAtDjango(token))!.refresh;
            ours = false;
          } else {
            token = await rotateHere(at, token, start);
            ours = true;
          }
          rotations += 1;
        }
      }),
      { numRuns: SESSIONS, seed: 20_261_130, endOnFailure: true },
    );
    expect(rotations).toBeGreaterThan(ROTATIONS);
    expect(ends).toBeGreaterThan(SESSIONS / 3);
  });

  /** Until one of ours says it, each of Django's successors passes for a log-in. */
  function startOf(token: string): number {
    const { carelink_start: told, iat } = decodeToken(token).claims;
    return Number(told ?? iat);
  }
});

/** `--session-lifetime` where claims are taken in Redis: what is answered, repeated, written behind and read has one end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startRedis } from '../support/redis.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';

/** An instance believes what was made a second after its start. */
const TRUST_MS = 1_100;
const SESSION_SECONDS = 3_600;

const ready = services().postgres !== undefined && services().redis !== undefined;

describe.skipIf(!ready)('a session that ends, with claims in Redis', () => {
  const world = rotationWorld();

  it('ends all its tokens and rows in the same second, whoever answers, repeats or writes', async () => {
    const redis = await startRedis();
    const start = () =>
      world.start({
        shared: { port: redis.port },
        graceUs: 60_000_000,
        sessionLifetimeSeconds: SESSION_SECONDS,
        tellsStart: true,
        lifetimeSpread: 0.5,
      });
    const [one, two] = [await start(), await start()];
    await sleep(TRUST_MS);
    const iatSeconds = Math.floor(Date.now() / 1000) - SESSION_SECONDS + 600;
    const end = iatSeconds + SESSION_SECONDS;
    // Made by the first refresh, so that Redis knows it.
    const login = await world.login({ iatSeconds, lifetimeSeconds: 86_400 });
    let token = rotated(await one.service.refresh(login.token)).refresh;
    const claimsBefore = [one, two].map(({ statements }) => statements.get('claim') ?? 0);
    const jtis: unknown[] = [];
    for (let turn = 0; turn < 6; turn++) {
      const [first, second] = turn % 2 === 0 ? [one, two] : [two, one];
      const pair = rotated(await first.service.refresh(token));
      // At the other one: computed again from the token and the claim's time.
      const again = rotated(await second.service.refresh(token));
      expect([again.refresh, again.access]).toEqual([pair.refresh, pair.access]);
      const { claims } = decodeToken(pair.refresh);
      expect(claims).toMatchObject({ exp: end, carelink_start: iatSeconds });
      expect(decodeToken(pair.access).claims['exp']).toBeLessThanOrEqual(end);
      jtis.push(claims['jti']);
      token = pair.refresh;
    }
    // They were taken in Redis.
    expect([one, two].map(({ statements }) => statements.get('claim') ?? 0)).toEqual(claimsBefore);
    const ends = () =>
      world.sql<{ exp: string }>(
        `SELECT extract(epoch FROM expires_at)::bigint::text AS exp FROM token_blacklist_outstandingtoken
          WHERE jti = ANY ($1)`,
        [jtis],
      );
    await expect.poll(ends, { timeout: 20_000 }).toHaveLength(jtis.length);
    expect(new Set((await ends()).map(({ exp }) => exp))).toEqual(new Set([String(end)]));
    await redis.stop();
  });
});

/** `carelink_start`: when a session began, which revocations are compared with (rule 44). */
import { describe, expect, it } from 'vitest';
import { createUsers, openClient } from '../support/postgres.js';
import type { InstanceOptions } from '../support/rotation.js';
import { rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { decodeToken, insertOutstanding, mintRefresh } from '../support/tokens.js';

const MARK = `INSERT INTO carelink.revoked_before (user_key, at) VALUES ($1, $2)`;

describe.skipIf(services().postgres === undefined)('when a session began', () => {
  const world = rotationWorld();
  const now = () => Math.floor(Date.now() / 1000);
  const user = async () => (await createUsers(world.url, 1))[0]!;

  /** A revocation in a transaction of a site's own, and a session without a row that refreshes before it is committed. */
  async function revokedMeanwhile(options: InstanceOptions): Promise<string> {
    const { service } = await world.start(options);
    const userId = await user();
    const { token } = mintRefresh({ userId, iatSeconds: now() - 600 });
    const client = await openClient(world.url);
    try {
      await client.query('BEGIN');
      // Two seconds: our clock is a lower bound of the database's.
      await client.query(MARK, [String(userId), new Date(Date.now() - 2_000)]);
      const outcome = await service.refresh(token);
      if (outcome.kind !== 'rotated' && outcome.kind !== 'reissued') throw new Error(outcome.kind);
      await client.query('COMMIT');
      return (await service.refresh(outcome.refresh!)).kind;
    } finally {
      await client.end();
    }
  }

  it.each(['on', 'keep'] as const)(
    'what a session got while its revocation was not committed is revoked, if it says when it began: %s',
    async (rotation) => {
      expect(await revokedMeanwhile({ rotation, tellsStart: true })).toBe('blacklisted');
      // Without it the new token can't be told from the log-in that follows the revocation.
      expect(await revokedMeanwhile({ rotation })).toMatch(/^(rotated|reissued)$/);
    },
  );

  it.each([
    ['later than the mark', 100, undefined, 'good'],
    ['later, of a session that began before it', 100, -100, 'revoked'],
    ['earlier, whatever it says', -100, 100, 'revoked'],
    ['later, with a start that is none', 100, 'then', 'good'],
    ['later, with a start before all dates', 100, -1e300, 'revoked'],
    ['later, with a start beyond all dates', 100, 1e300, 'good'],
  ])('a token that was issued %s is judged so by each statement', async (_, iat, start, standing) => {
    const userId = await user();
    const at = now() - 1_000;
    await world.sql(MARK, [String(userId), new Date(at * 1000)]);
    const claims =
      start === undefined ? {} : { carelink_start: typeof start === 'number' ? at + start : start };
    const mint = () => mintRefresh({ userId, iatSeconds: at + iat, claims });
    const good = standing === 'good';
    for (const rotation of ['on', 'off', 'keep'] as const) {
      const { service } = await world.start({ rotation });
      const withRow = mint();
      await insertOutstanding(world.url, [withRow]);
      for (const { token } of [mint(), withRow]) {
        expect((await service.verify(token)).kind).toBe(good ? 'valid' : 'blacklisted');
        const refreshed = good ? (rotation === 'on' ? 'rotated' : 'reissued') : 'blacklisted';
        expect((await service.refresh(token)).kind).toBe(refreshed);
      }
    }
  });

  it.each([
    ['none', 'as old as can be', 'blacklisted', {}],
    ['beyond all dates', 'as old as can be', 'blacklisted', { carelink_start: 1e300 }],
    ['later than its end', 'as young as it can be', 'rotated', { carelink_start: 200_000_000_000 }],
  ])('a token without iat and with a start of %s is %s: %s', async (_, __, kind, claims) => {
    const { service } = await world.start({ tellsStart: true });
    const userId = await user();
    const mint = () => mintRefresh({ userId, claims: { iat: undefined, ...claims } });
    const { token, expSeconds } = mint();
    const refreshed = await service.refresh(token);
    if (refreshed.kind !== 'rotated') throw new Error(refreshed.kind);
    const start = decodeToken(refreshed.refresh).claims['carelink_start'];
    expect(start).toBe(kind === 'rotated' ? expSeconds : 0);
    await world.sql(MARK, [String(userId), new Date()]);
    expect((await service.refresh(mint().token)).kind).toBe(kind);
  });

  it('a reuse after a revocation closes the rows of sessions that began before it, and no others', async () => {
    const { service } = await world.start({ onReuse: 'revoke-user', tellsStart: true });
    const userId = await user();
    const old = await world.login({ userId, iatSeconds: now() - 600 });
    const first = await service.refresh(old.token);
    if (first.kind !== 'rotated') throw new Error(first.kind);
    // Long ago, so that a repeat is a reuse.
    for (const [table, column] of [
      ['blacklistedtoken', 'blacklisted_at'],
      ['outstandingtoken', 'created_at'],
    ])
      await world.sql(`UPDATE token_blacklist_${table} SET ${column} = ${column} - interval '5 min'`);
    await world.sql(MARK, [String(userId), new Date((now() - 450) * 1000)]);
    const fresh = await world.login({ userId });
    expect((await service.refresh(old.token)).kind).toBe('blacklisted');
    const closed = await world.sql<{ jti: string }>(
      `SELECT o.jti FROM token_blacklist_blacklistedtoken b JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id
        WHERE o.user_id = $1`,
      [userId],
    );
    const ids = [old.jti, decodeToken(first.refresh).claims['jti']];
    expect(closed.map(({ jti }) => jti).sort()).toEqual(ids.sort());
    expect((await service.refresh(fresh.token)).kind).toBe('rotated');
  });

  it('is in refresh tokens only, stays what it was, and is not there unless it is asked for', async () => {
    const iatSeconds = now() - 600;
    const [told, untold] = [await world.start({ tellsStart: true }), await world.start()];
    const ask = async (token: string, { service } = told) => {
      const pair = await service.refresh(token);
      if (pair.kind !== 'rotated') throw new Error(pair.kind);
      expect(decodeToken(pair.access).claims).not.toHaveProperty('carelink_start');
      return pair.refresh;
    };
    const login = (await world.login({ iatSeconds })).token;
    const first = await ask(login);
    const second = await ask(first, untold);
    for (const token of [first, second]) expect(decodeToken(token).claims['carelink_start']).toBe(iatSeconds);
    const without = await ask((await world.login({ iatSeconds })).token, untold);
    expect(Object.keys(decodeToken(without).claims)).toEqual(Object.keys(decodeToken(login).claims));
  });

  it('a sliding token says it as well, for its iat moves on; its life ends with its session', async () => {
    const { service } = await world.start({ tellsStart: true, sessionLifetimeSeconds: 1_000 });
    const iatSeconds = now() - 600;
    const slides = { tokenType: 'sliding', claims: { refresh_exp: now() + 9_000 } } as const;
    const { token } = mintRefresh({ userId: await user(), iatSeconds, ...slides });
    const slid = await service.slide(token);
    if (slid.kind !== 'slid') throw new Error(slid.kind);
    const { claims } = decodeToken(slid.token);
    expect(claims).toMatchObject({ carelink_start: iatSeconds, exp: iatSeconds + 1_000 });
    const late = mintRefresh({ userId: await user(), iatSeconds: now() - 1_000, ...slides });
    expect(await service.slide(late.token)).toEqual({ kind: 'invalid', reason: 'expired' });
  });

  it.each(['off', 'keep', 'offered'] as const)(
    'what a client keeps ends with its session, whatever the token says: %s',
    async (rotation) => {
      const iatSeconds = now() - 600;
      const { token, expSeconds } = await world.login({ iatSeconds });
      const end = async (sessionLifetimeSeconds: number | undefined) => {
        const { service } = await world.start({ rotation, sessionLifetimeSeconds });
        const outcome = await service.refresh(token, false);
        if (outcome.kind !== 'reissued') throw new Error(outcome.kind);
        const { refresh, refreshExpiresAtSeconds, endsEarly } = outcome;
        if (refresh !== undefined) expect(refreshExpiresAtSeconds).toBe(decodeToken(refresh).claims['exp']);
        return [refreshExpiresAtSeconds, endsEarly];
      };
      expect(await end(1_000)).toEqual([iatSeconds + 1_000, rotation !== 'keep']);
      if (rotation === 'keep') return;
      expect(await end(100_000)).toEqual([expSeconds, false]);
      expect(await end(undefined)).toEqual([expSeconds, false]);
    },
  );

  it('a session that is over can still be logged out: Django would go on with its token', async () => {
    const { service } = await world.start({ tellsStart: true, sessionLifetimeSeconds: 1_000 });
    const { token } = await world.login({ iatSeconds: now() - 1_000 });
    for (const rotation of ['off', 'keep', 'offered'] as const) {
      const other = await world.start({ rotation, sessionLifetimeSeconds: 1_000 });
      expect(await other.service.refresh(token)).toEqual({ kind: 'invalid', reason: 'expired' });
    }
    expect(await service.refresh(token)).toEqual({ kind: 'invalid', reason: 'expired' });
    expect(await service.logout(token)).toEqual({ kind: 'logged_out' });
  });
});

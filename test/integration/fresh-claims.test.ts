import { beforeAll, describe, expect, it } from 'vitest';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { decodeToken, type MintedToken } from '../support/tokens.js';

const users = { userTable: 'people' } as const;

/** What the view's expression does for a user, and whether his refresh goes on. */
const HOSTILE = ['raises', 'sleeps', 'large', 'array', 'deep', 'doubled', 'cardinality'] as const;

describe.skipIf(services().postgres === undefined)('claims of the site’s view in access tokens', () => {
  const world = rotationWorld();

  beforeAll(async () => {
    await world.sql(`
      CREATE TABLE profile (user_id int, role text, what text);
      CREATE FUNCTION claims_of(what text, role text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
      BEGIN
        CASE what
          WHEN 'raises' THEN PERFORM 1 / 0;
          WHEN 'sleeps' THEN PERFORM pg_sleep(60);
          WHEN 'large' THEN RETURN jsonb_build_object('x', repeat('x', 1000000));
          WHEN 'array' THEN RETURN '["role"]';
          WHEN 'deep' THEN RETURN jsonb_build_object('x', (repeat('[', 600) || repeat(']', 600))::jsonb);
          WHEN 'cardinality' THEN RETURN (SELECT '{}'::jsonb FROM generate_series(1, 2));
          WHEN 'odd' THEN RETURN '{"n": 1152921504606846977, "f": 1.0, "__proto__": {"admin": true}, "constructor": 1,
            "exp": 9999999999, "iat": 1, "jti": "x", "token_type": "refresh", "user_id": 1, "sub": "x", "aud": "x",
            "iss": "x", "nbf": 9999999999, "refresh_exp": 9999999999, "carelink_start": 1}';
          ELSE
        END CASE;
        RETURN jsonb_build_object('role', role);
      END $$;
      CREATE VIEW people AS
        SELECT u.id, u.is_active, claims_of(p.what, p.role) AS claims
          FROM auth_user u LEFT JOIN profile p ON p.user_id = u.id`);
  });
  const is = async ({ userId }: MintedToken, role: string | null, what = 'good') => {
    await world.sql('DELETE FROM profile WHERE user_id = $1', [userId]);
    await world.sql('INSERT INTO profile VALUES ($1, $2, $3)', [userId, role, what]);
    if (what === 'doubled') await world.sql('INSERT INTO profile VALUES ($1, $2)', [userId, 'admin']);
  };
  const claimsOf = (token: string) => decodeToken(token).claims;

  it('a role that was taken away is gone from the next access token, and never gets into the refresh token', async () => {
    const { service } = await world.start({ users });
    const token = await world.login({ claims: { role: 'old', ward: 7 } });
    await is(token, 'doctor');
    const first = rotated(await service.refresh(token.token));
    expect(claimsOf(first.access)).toMatchObject({ token_type: 'access', role: 'doctor', ward: 7 });
    expect(claimsOf(first.refresh)).toMatchObject({ role: 'old', ward: 7 });
    await is(token, 'visitor');
    const second = rotated(await service.refresh(first.refresh));
    expect(claimsOf(second.access)).toMatchObject({ role: 'visitor' });
    await is(token, null);
    expect(claimsOf(rotated(await service.refresh(second.refresh)).access)).toMatchObject({ role: null });
  });

  it('costs no statement more than a table does', async () => {
    const counts = async (options: Parameters<typeof world.start>[0]) => {
      const { service, statements } = await world.start(options);
      const token = await world.login();
      await is(token, 'doctor');
      const { refresh } = rotated(await service.refresh(token.token));
      statements.clear();
      rotated(await service.refresh(refresh));
      return Object.fromEntries(statements);
    };
    expect(await counts({ users })).toEqual(await counts({}));
  });

  it('a replay inside the grace is given the newest', async () => {
    const { service } = await world.start({ users, graceUs: 60_000_000 });
    const token = await world.login();
    await is(token, 'doctor');
    const first = rotated(await service.refresh(token.token));
    await is(token, 'visitor');
    const again = rotated(await service.refresh(token.token));
    expect(again.refresh).toBe(first.refresh);
    expect(claimsOf(again.access)).toMatchObject({ ...claimsOf(first.access), role: 'visitor' });
    await is(token, 'visitor', 'large');
    expect((await service.refresh(token.token)).kind).toBe('unavailable');
    await is(token, 'visitor', 'raises');
    expect((await service.refresh(token.token)).kind).toBe('unavailable');
  });

  it('loses no digit, sets no prototype, and leaves alone what a verifier goes by', async () => {
    const { service } = await world.start({ users });
    const token = await world.login();
    await is(token, null, 'odd');
    const { access, refresh } = rotated(await service.refresh(token.token));
    const text = Buffer.from(access.split('.')[1]!, 'base64url').toString();
    expect(text).toContain('"n":1152921504606846977');
    expect(text).toContain('"f":1.0');
    expect(text).not.toContain('__proto__');
    const { exp, iat, jti, ...claims } = claimsOf(access);
    expect(claims).toEqual({
      token_type: 'access',
      user_id: token.userId,
      n: 1152921504606846977,
      f: 1,
      constructor: 1,
    });
    expect((exp as number) - (iat as number)).toBe(15 * 60);
    expect(jti).toMatch(/^[0-9a-f]{32}$/);
    expect(Object.keys(claimsOf(refresh))).not.toContain('n');
  });

  it.each(HOSTILE)('that are %s hurt nobody but their own user, whose token is unspent', async (what) => {
    // Short, because one case waits until its statement's time is up.
    const { service, batches, badRows } = await world.start({ users, requestTimeoutMs: 2_000 });
    const tokens = await Promise.all(Array.from({ length: 10 }, () => world.login()));
    const [hostile, ...others] = tokens as [MintedToken, ...MintedToken[]];
    for (const other of others) await is(other, 'nurse');
    await is(hostile, 'nurse', what);
    const outcomes = await Promise.all(tokens.map(({ token }) => service.refresh(token)));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['unavailable', ...others.map(() => 'rotated')]);
    expect(badRows).toEqual([String(hostile.userId)]);

    // For a minute he goes alone: no batch is split a second time.
    // New tokens, whose rows nobody knows: they and his would share a statement.
    const next = await Promise.all(others.map(({ userId }) => world.login({ userId })));
    batches.length = 0;
    const again = await Promise.all([hostile, ...next].map(({ token }) => service.refresh(token)));
    expect(again.map(({ kind }) => kind)).toEqual(outcomes.map(({ kind }) => kind));
    expect(batches.reduce((sum, size) => sum + size)).toBe(10);
    // How the others come together is the queue's affair.
    expect(batches).toContain(1);

    await is(hostile, 'nurse');
    const mended = rotated(await service.refresh(hostile.token));
    expect(claimsOf(mended.access)).toMatchObject({ role: 'nurse' });
  });

  it('are not asked for where no access token is made: by verify', async () => {
    const { service } = await world.start({ users });
    const token = await world.login();
    await is(token, 'nurse', 'raises');
    expect((await service.verify(token.token)).kind).toBe('valid');
  });

  describe.each(['off', 'keep'] as const)('with --rotation %s', (rotation) => {
    it('are as new', async () => {
      const { service } = await world.start({ users, rotation });
      const token = await world.login({ claims: { role: 'old' } });
      for (const role of ['doctor', 'visitor']) {
        await is(token, role);
        const outcome = await service.refresh(token.token);
        if (outcome.kind !== 'reissued') throw new Error(`expected 200, got ${outcome.kind}`);
        expect(claimsOf(outcome.access)).toMatchObject({ role });
      }
    });

    it.each(['raises', 'array', 'doubled'] as const)(
      'that are %s hurt nobody but their own user',
      async (what) => {
        const { service, badRows } = await world.start({ users, rotation });
        const hostile = await world.login();
        await is(hostile, 'nurse', what);
        const others = await Promise.all(Array.from({ length: 9 }, () => world.login()));
        const outcomes = await Promise.all([hostile, ...others].map(({ token }) => service.refresh(token)));
        expect(outcomes.map(({ kind }) => kind)).toEqual(['unavailable', ...others.map(() => 'reissued')]);
        expect(badRows).toEqual([String(hostile.userId)]);
      },
    );
  });
});

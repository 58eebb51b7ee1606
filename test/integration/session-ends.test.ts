/** Why sessions ended, as /metrics counts it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blacklist, refresh, slide } from '../interop/api.js';
import { createUsers } from '../support/postgres.js';
import { rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { startServer, type TestServer } from '../support/server.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

describe.skipIf(services().postgres === undefined)('sessions that ended', () => {
  const world = rotationWorld();
  let server: TestServer;
  beforeAll(async () => {
    await world.sql(`ALTER TABLE auth_user ADD COLUMN password text NOT NULL DEFAULT 'pw'`);
    server = await startServer({
      databaseUrl: world.url,
      args: ['--on-reuse', 'revoke-family', '--revoke-claim', 'hash_password'],
      env: { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY },
    });
  });
  afterAll(() => server.stop());

  const HASH = 'BB7D0FE2A2E2A8A8CF2C1C1F0E7D6E00';
  const login = async (options: Parameters<typeof world.login>[0] = {}) => {
    const [userId] = await createUsers(world.url, 1);
    const [row] = await world.sql<{ hash: string }>(`SELECT upper(md5('pw')) AS hash`);
    return world.login({
      userId: userId!,
      ...options,
      claims: { hash_password: row!.hash, ...options.claims },
    });
  };
  const ended = async () => {
    const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
    return Object.fromEntries(
      [...text.matchAll(/^carelink_sessions_ended_total\{cause="(\w+)"\} (\d+)$/gm)].map(([, cause, n]) => [
        cause,
        Number(n),
      ]),
    );
  };
  const ago = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

  it('each cause is there from the start, and is counted once for each session', async () => {
    const none = { logout: 0, expired: 0, revoked: 0, reuse: 0, inactive: 0, password_changed: 0 };
    expect(await ended()).toEqual(none);

    // Logged out by the token that was rotated: one session, whatever it takes.
    const first = await login({ iatSeconds: ago(60) });
    const next = await refresh(server.url, first.token);
    expect(next.status).toBe(200);
    expect((await blacklist(server.url, first.token)).status).toBe(200);
    await blacklist(server.url, first.token);

    const expired = await login({ iatSeconds: ago(600), lifetimeSeconds: 60 });
    const inactive = await login();
    await world.sql('UPDATE auth_user SET is_active = false WHERE id = $1', [inactive.userId]);
    const revoked = await login({ iatSeconds: ago(60) });
    await world.sql('INSERT INTO carelink.revoked_before (user_key, at) VALUES ($1, now())', [
      String(revoked.userId),
    ]);
    const sliding = await login({
      iatSeconds: ago(60),
      tokenType: 'sliding',
      claims: { refresh_exp: ago(-600) },
    });
    await world.sql('INSERT INTO carelink.revoked_before (user_key, at) VALUES ($1, now())', [
      String(sliding.userId),
    ]);
    const changed = await login({ claims: { hash_password: HASH } });
    for (let n = 0; n < 3; n++) {
      for (const { token } of [expired, inactive, revoked, changed])
        expect((await refresh(server.url, token)).status).toBe(401);
      expect((await slide(server.url, sliding.token)).status).toBe(401);
    }
    expect(await ended()).toEqual({
      ...none,
      logout: 1,
      expired: 1,
      inactive: 1,
      revoked: 2,
      password_changed: 1,
    });

    // Spent a minute ago, by the rows, and presented again.
    const stolen = await login({ iatSeconds: ago(600) });
    expect((await refresh(server.url, stolen.token)).status).toBe(200);
    await world.sql(
      `WITH old AS (UPDATE token_blacklist_blacklistedtoken b SET blacklisted_at = b.blacklisted_at - interval '1 minute'
                      FROM token_blacklist_outstandingtoken o WHERE o.id = b.token_id AND o.jti = $1
                    RETURNING b.blacklisted_at)
       UPDATE token_blacklist_outstandingtoken o SET created_at = old.blacklisted_at
         FROM old WHERE o.created_at = old.blacklisted_at + interval '1 minute'`,
      [stolen.jti],
    );
    expect((await refresh(server.url, stolen.token)).status).toBe(401);
    expect((await ended())['reuse']).toBe(1);
  });

  it('a refresh tells how old its token was, and a repeat of it and a refusal tell nothing', async () => {
    const { service, events } = await world.start({ graceUs: 60_000_000 });
    const { token } = await world.login({ iatSeconds: ago(300) });
    await service.refresh(token);
    await service.refresh(token);
    const held = events.flatMap((event) => (event.kind === 'refresh' ? [event.heldSeconds] : []));
    expect(held).toEqual([expect.any(Number), undefined]);
    expect(held[0]).toBeGreaterThanOrEqual(299);
    expect(held[0]).toBeLessThan(360);
  });

  it('a log-out, a refusal and an expiry say nothing of whose they were', async () => {
    const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
    const lines = text.split('\n').filter((line) => /^carelink_session/.test(line));
    for (const line of lines)
      expect(line).toMatch(
        /^carelink_(sessions_active|session_seconds_total|sessions_ended_total\{cause="\w+"\}) [\d.]+$/,
      );
    expect(lines.length).toBeGreaterThan(6);
  });
});

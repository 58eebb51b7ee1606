/** The sessions of a user, by the rows that Django and our servers leave. */
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeClaim } from '../../src/cache/claim-entry.js';
import { sessionsOfUser, type SessionsOfUser } from '../../src/compose/sessions.js';
import { sessionsSettings } from '../../src/config/sessions-settings.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, createUsers, freshDatabase, query } from '../support/postgres.js';
import type { Instance } from '../support/rotation.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { issueTokens, mintRefresh, type MintedToken } from '../support/tokens.js';
import { source } from '../unit/config/source.js';

const HOUR = 3_600;
const now = () => Math.floor(Date.now() / 1000);

function sessions(url: string, user: number | string, flags: Record<string, string> = {}) {
  const settings = sessionsSettings({ 'database-url': url, user: String(user), ...flags }, source());
  return sessionsOfUser(settings, () => undefined);
}

/** In seconds, as tokens say them. */
const shape = ({ sessions: told }: SessionsOfUser) =>
  told.map(({ sinceUs, refreshedUs, endSeconds }) => ({
    since: Math.floor(sinceUs / 1e6),
    refreshed: refreshedUs !== undefined,
    end: endSeconds,
  }));

describe.skipIf(services().postgres === undefined)('the sessions of a user', () => {
  const world = rotationWorld();
  let instance: Instance;
  beforeAll(async () => {
    instance = await world.start();
  });
  const user = async () => (await createUsers(world.url, 1))[0]!;
  const rowId = async (jti: string) =>
    (
      await world.sql<{ id: string }>(
        'SELECT id::text FROM token_blacklist_outstandingtoken WHERE jti = $1',
        [jti],
      )
    )[0]!.id;
  const blacklist = (jti: string) =>
    world.sql(
      `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
       SELECT clock_timestamp(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
      [jti],
    );
  const refreshed = async (token: string, times: number, by = instance) => {
    let next = { refresh: token, jti: '' };
    for (let n = 0; n < times; n++) next = rotated(await by.service.refresh(next.refresh));
    return next;
  };
  const ids = ({ sessions: told }: SessionsOfUser) => told.map(({ id }) => id);

  it('a family is one session, with the newest row and the oldest time', async () => {
    const login = await world.login({ userId: await user(), iatSeconds: now() - HOUR });
    const tip = await refreshed(login.token, 5);
    const found = await sessions(world.url, login.userId);
    expect(ids(found)).toEqual([await rowId(tip.jti)]);
    expect(shape(found)).toEqual([
      { since: login.iatSeconds, refreshed: true, end: expect.any(Number) as number },
    ]);
    const [one] = found.sessions;
    expect(one!.endSeconds).toBeGreaterThan(login.expSeconds);
    expect(Date.now() - one!.refreshedUs! / 1000).toBeLessThan(60_000);
    expect(found).toMatchObject({ live: 1, refused: {}, cut: false, indexed: true, known: true });
  });

  it('several, the newest first, as many as are asked for', async () => {
    const userId = await user();
    const ago = [3 * HOUR, 2 * HOUR, HOUR];
    const logins = await Promise.all(ago.map((s) => world.login({ userId, iatSeconds: now() - s })));
    const tip = await refreshed(logins[0]!.token, 2);
    const order = [tip.jti, logins[2]!.jti, logins[1]!.jti];
    const expected = await Promise.all(order.map(rowId));
    expect(ids(await sessions(world.url, userId))).toEqual(expected);
    const two = await sessions(world.url, userId, { limit: '2' });
    expect(ids(two)).toEqual(expected.slice(0, 2));
    expect(two.live).toBe(3);
  });

  it('a session says its start itself, where servers write it, also when its first rows are gone', async () => {
    const login = await world.login({ userId: await user(), iatSeconds: now() - 2 * HOUR });
    const teller = await world.start({ tellsStart: true });
    const tip = await refreshed(login.token, 2, teller);
    await world.sql(
      `WITH gone AS (DELETE FROM token_blacklist_blacklistedtoken b USING token_blacklist_outstandingtoken o
                      WHERE o.id = b.token_id AND o.user_id = $1 RETURNING o.id)
       DELETE FROM token_blacklist_outstandingtoken o USING gone WHERE o.id = gone.id`,
      [login.userId],
    );
    const found = await sessions(world.url, login.userId);
    expect(ids(found)).toEqual([await rowId(tip.jti)]);
    expect(shape(found)).toMatchObject([{ since: login.iatSeconds, refreshed: true }]);
  });

  it('where rotation spends nothing, each token is a session: whoever holds it can refresh', async () => {
    const login = await world.login({ userId: await user(), iatSeconds: now() - HOUR });
    const { service } = await world.start({ rotation: 'keep' });
    expect((await service.refresh(login.token)).kind).toBe('reissued');
    expect((await sessions(world.url, login.userId)).live).toBe(2);
  });

  it("Django's rotation is followed by nobody: its successor is a session by itself, its old token none", async () => {
    const userId = await user();
    const old = await world.login({ userId, iatSeconds: now() - HOUR });
    await blacklist(old.jti);
    const [next] = await issueTokens(world.url, [userId], { iatSeconds: now() - 5 });
    const tip = await refreshed(next!.token, 1);
    const found = await sessions(world.url, userId);
    expect(ids(found)).toEqual([await rowId(tip.jti)]);
    expect(shape(found)).toMatchObject([{ since: next!.iatSeconds, refreshed: true }]);
  });

  it('logged out, expired and revoked tokens are no sessions', async () => {
    const userId = await user();
    const out = await world.login({ userId });
    await instance.service.logout(out.token);
    await world.login({ userId, iatSeconds: now() - HOUR, lifetimeSeconds: HOUR - 5 });
    const revoked = await world.login({ userId, iatSeconds: now() - HOUR });
    await world.sql(
      'INSERT INTO carelink.revoked_before (user_key, at) VALUES ($1, now() - interval $$1 minute$$)',
      [String(userId)],
    );
    expect(await sessions(world.url, userId)).toMatchObject({
      sessions: [],
      live: 0,
      refused: { revoked: 1 },
    });
    const fresh = await world.login({ userId });
    const found = await sessions(world.url, userId);
    expect(ids(found)).toEqual([await rowId(fresh.jti)]);
    expect(found.refused).toEqual({ revoked: 1 });
    expect((await instance.service.refresh(revoked.token)).kind).toBe('blacklisted');
  });

  it('a user who is not active has none, and is told why; one who is not there is an error', async () => {
    const { userId } = await world.login({ userId: await user() });
    await world.sql('UPDATE auth_user SET is_active = false WHERE id = $1', [userId]);
    expect(await sessions(world.url, userId)).toMatchObject({ live: 0, refused: { inactive: 1 } });
    expect(await sessions(world.url, userId, { 'user-check': 'exists' })).toMatchObject({ live: 1 });
    expect(await sessions(world.url, 999_999, { 'user-check': 'off' })).toMatchObject({
      live: 0,
      known: false,
    });
    await expect(sessions(world.url, 999_999)).rejects.toMatchObject({ code: 'USER_NOT_FOUND', exitCode: 1 });
    await expect(sessions(world.url, 'mary')).rejects.toMatchObject({ code: 'USER_ID_UNFIT', exitCode: 2 });
  });

  it('a token from before the password was changed is none, where servers compare it', async () => {
    await world.sql(`ALTER TABLE auth_user ADD COLUMN IF NOT EXISTS password text NOT NULL DEFAULT 'pw'`);
    const userId = await user();
    const [row] = await world.sql<{ hash: string }>(`SELECT upper(md5('pw')) AS hash`);
    await world.login({ userId, claims: { hash_password: row!.hash } });
    await world.login({ userId, claims: { hash_password: row!.hash.replaceAll(/[0-9]/g, 'A') } });
    await world.login({ userId });
    expect(await sessions(world.url, userId, { 'revoke-claim': 'hash_password' })).toMatchObject({
      live: 1,
      refused: { password_changed: 2 },
    });
    expect(await sessions(world.url, userId)).toMatchObject({ live: 3, refused: {} });
  });

  it('--session-lifetime ends a session whatever its token says', async () => {
    const userId = await user();
    const login = await world.login({ userId, iatSeconds: now() - 2 * HOUR });
    await world.login({ userId, iatSeconds: now() - 2 * HOUR, claims: { carelink_start: now() - 9 * HOUR } });
    const found = await sessions(world.url, userId, { 'session-lifetime': '8h' });
    expect(ids(found)).toEqual([await rowId(login.jti)]);
    expect(shape(found)[0]!.end).toBe(login.iatSeconds + 8 * HOUR);
    expect((await sessions(world.url, userId)).live).toBe(2);
  });

  it('a sliding token lives until it can be extended no more, by the name that its claim has', async () => {
    const userId = await user();
    const sliding = (claims: Record<string, number>) =>
      world.login({ userId, tokenType: 'sliding', iatSeconds: now() - HOUR, lifetimeSeconds: 300, claims });
    await sliding({ refresh_exp: now() + HOUR });
    await sliding({ refresh_exp: now() - 5 });
    const renamed = await sliding({ slide_until: now() + 2 * HOUR });
    expect(await sessions(world.url, userId)).toMatchObject({
      live: 1,
      sessions: [{ kind: 'sliding', refreshedUs: undefined }],
    });
    const found = await sessions(world.url, userId, { 'sliding-refresh-exp-claim': 'slide_until' });
    expect(ids(found)).toContain(await rowId(renamed.jti));
  });

  it('within the leeway of the servers an expired token is a session still', async () => {
    const userId = await user();
    await world.login({ userId, iatSeconds: now() - HOUR, lifetimeSeconds: HOUR - 20 });
    expect((await sessions(world.url, userId)).live).toBe(0);
    expect((await sessions(world.url, userId, { leeway: '5m' })).live).toBe(1);
  });

  it('rows that no time or no token can be read of are told as far as they go', async () => {
    const userId = await user();
    const [undated, unreadable] = await issueTokens(world.url, [userId, userId]);
    await world.sql('UPDATE token_blacklist_outstandingtoken SET created_at = NULL WHERE jti = $1', [
      undated!.jti,
    ]);
    await world.sql(`UPDATE token_blacklist_outstandingtoken SET token = 'x' WHERE jti = $1`, [
      unreadable!.jti,
    ]);
    const found = await sessions(world.url, userId);
    expect(found.live).toBe(2);
    for (const { since, end } of shape(found)) {
      expect(since).toBe(undated!.iatSeconds);
      expect(end).toBe(undated!.expSeconds);
    }
  });

  describe('with a rotation that could not be written', () => {
    let login: MintedToken;
    let successor: MintedToken;
    const claimedAtUs = (now() - 5) * 1_000_000;
    beforeAll(async () => {
      login = await world.login({ userId: await user(), iatSeconds: now() - HOUR });
      successor = mintRefresh({ userId: login.userId, iatSeconds: now() - 5 });
      const entry = encodeClaim({
        jti: login.jti,
        rowId: undefined,
        token: login.token,
        userKey: String(login.userId),
        issuedAtSeconds: login.iatSeconds,
        expiresAtSeconds: login.expSeconds,
        claimedAtUs,
        successor: { jti: successor.jti, token: successor.token, expiresAtSeconds: successor.expSeconds },
      });
      await world.sql(
        `INSERT INTO carelink.dead_letters (code, entry) VALUES ('P0001', $1), ('UNREADABLE', $2)`,
        [entry, `[9,"${randomBytes(8).toString('hex')}"]`],
      );
    });

    it('the session is that of the token that was handed out', async () => {
      expect((await sessions(world.url, login.userId)).sessions).toEqual([
        {
          id: await rowId(login.jti),
          kind: 'refresh',
          sinceUs: login.iatSeconds * 1_000_000,
          refreshedUs: claimedAtUs,
          endSeconds: successor.expSeconds,
          deadLetter: true,
        },
      ]);
    });

    it('it is one session also when that token has got a row of its own', async () => {
      const tip = await refreshed(successor.token, 2);
      const found = await sessions(world.url, login.userId);
      expect(ids(found)).toEqual([await rowId(tip.jti)]);
      expect(shape(found)).toMatchObject([{ since: login.iatSeconds, refreshed: true }]);
      expect(found.sessions[0]!.deadLetter).toBe(false);
    });
  });
});

describe.skipIf(services().postgres === undefined)('the sessions of a user of a site like others', () => {
  const world = rotationWorld({ userIdType: 'uuid' });
  it('whose users have uuids, written any way', async () => {
    const login = await world.login();
    for (const user of [String(login.userId), String(login.userId).toUpperCase().replaceAll('-', '')])
      expect(await sessions(world.url, user)).toMatchObject({ live: 1, userKey: login.userId });
  });

  it('whose users a view tells, by another key than their rows', async () => {
    const login = await world.login();
    await world.sql(`
      ALTER TABLE auth_user ADD COLUMN mail text;
      CREATE VIEW site_users AS SELECT id, mail, is_active FROM auth_user`);
    await world.sql('UPDATE auth_user SET mail = $2 WHERE id = $1', [login.userId, 'a@example.org']);
    const flags = { 'user-table': 'site_users', 'user-id-column': 'mail' };
    expect(await sessions(world.url, 'a@example.org', flags)).toMatchObject({ live: 1 });
    await world.sql('UPDATE auth_user SET is_active = false WHERE id = $1', [login.userId]);
    expect(await sessions(world.url, 'a@example.org', flags)).toMatchObject({
      live: 0,
      refused: { inactive: 1 },
    });
    await expect(sessions(world.url, 'b@example.org', flags)).rejects.toMatchObject({
      code: 'USER_NOT_FOUND',
    });
  });

  it('whose rows are dated by another zone (USE_TZ = False): their tokens tell the time', async () => {
    const login = await world.login({ iatSeconds: now() - 60 });
    await world.login({ userId: login.userId, iatSeconds: now() - HOUR, lifetimeSeconds: HOUR - 60 });
    await world.sql(
      `UPDATE token_blacklist_outstandingtoken
          SET created_at = created_at + interval '5 h', expires_at = expires_at + interval '5 h'`,
    );
    expect(shape(await sessions(world.url, login.userId))).toEqual([
      { since: login.iatSeconds, refreshed: false, end: login.expSeconds },
    ]);
  });

  it('whose tables are in a schema of their own', async () => {
    const database = await freshDatabase();
    try {
      await query(database.url, 'CREATE SCHEMA t1');
      const url = `${database.url}?options=-c%20search_path%3Dt1`;
      await createSimplejwtTables(url);
      await applyMigrations(url, { createTables: false });
      const [userId] = await createUsers(url, 1);
      await issueTokens(url, [userId!]);
      expect(await sessions(database.url, userId!, { schema: 't1' })).toMatchObject({ live: 1 });
    } finally {
      await database.drop();
    }
  });
});

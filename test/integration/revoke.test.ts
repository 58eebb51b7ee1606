import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../cli/run.js';
import { plantFamily } from '../support/families.js';
import { createUsers } from '../support/postgres.js';
import type { Instance } from '../support/rotation.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { issueTokens, mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

const CHAIN_KEY = Buffer.alloc(32, 7);
const KEYS = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY, CARELINK_CHAIN_KEY: CHAIN_KEY.toString('hex') };

/** Two instances with memories of their own, and the command as an operator runs it. */
function world() {
  const base = rotationWorld();
  const instances: Instance[] = [];
  beforeAll(async () => {
    for (let n = 0; n < 2; n++) instances.push(await base.start({ chainKeys: [CHAIN_KEY] }));
  });
  const revoke = (...args: string[]) =>
    run(['revoke', '--database-url', base.url, '--json', ...args], KEYS).then((end) => ({
      ...end,
      events: end.stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    }));
  /** A token that the first instance made, and so remembers as live. */
  const remembered = async (options: Parameters<typeof base.login>[0] = {}) =>
    rotated(await instances[0]!.service.refresh((await base.login(options)).token)).refresh;
  const outcomes = (token: string) =>
    Promise.all(instances.map(async ({ service }) => (await service.refresh(token)).kind));
  return { base, instances, revoke, remembered, outcomes };
}

/** A session that refreshes on and on, until it is stopped or refused. Returns the last token it was given. */
async function refreshOn(token: string, { service }: Instance, stop: AbortSignal): Promise<string> {
  while (!stop.aborted) {
    const outcome = await service.refresh(token);
    if (outcome.kind !== 'rotated') break;
    token = outcome.refresh;
  }
  return token;
}

const REFUSED = ['blacklisted', 'blacklisted'];
const available = services().postgres !== undefined;

describe.skipIf(!available)('revoke', () => {
  const { base, instances, revoke, remembered, outcomes } = world();
  let directory: string;
  beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'carelink-revoke-'))));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('takes one of its targets, and says which there are', async () => {
    for (const args of [[], ['--user', '1', '--jti', 'x'], ['--issued-before', '2026-01-01']]) {
      const { code, stderr } = await revoke(...args);
      expect(code).toBe(2);
      expect(stderr).toMatch(/--issued-before/);
    }
    const { code, stderr } = await revoke('--user', 'nobody');
    expect([code, stderr]).toEqual([2, expect.stringContaining('of the type integer')]);
  });

  it('without --yes shows the count and changes nothing', async () => {
    const [user] = await createUsers(base.url, 1);
    const token = await remembered({ userId: user! });
    const { code, events } = await revoke('--user', String(user));
    expect([code, events]).toEqual([6, [{ event: 'count', target: 'user', live: 1 }]]);
    expect((await instances[1]!.service.refresh(token)).kind).toBe('rotated');
  });

  it('revokes all of a user, what each instance remembers and what has no row, and nobody else', async () => {
    const [user, other] = await createUsers(base.url, 2);
    const tokens = [await remembered({ userId: user! }), await remembered({ userId: user! })];
    const rowless = mintRefresh({ userId: user!, iatSeconds: Math.floor(Date.now() / 1000) - 5 });
    const kept = await remembered({ userId: other! });
    const { code, events } = await revoke('--user', String(user), '--yes');
    expect(code).toBe(0);
    expect(events.at(-1)).toMatchObject({ event: 'done', revoked: 2 });
    for (const token of [...tokens, rowless.token]) expect(await outcomes(token)).toEqual(REFUSED);
    expect((await instances[1]!.service.refresh(kept)).kind).toBe('rotated');
  });

  it('of a user who does not exist says so, and revokes nothing; unchecked, that it is not known', async () => {
    const nobody = '2000000000';
    const marks = () =>
      base.sql('SELECT user_key FROM carelink.revoked_before WHERE user_key = $1', [nobody]);
    const { code, stderr } = await revoke('--user', nobody, '--yes');
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`No user has the id ${nobody} in public.auth_user`),
    ]);
    expect(await marks()).toEqual([]);
    const unchecked = await revoke('--user', nobody, '--yes', '--user-check', 'off');
    expect([unchecked.code, unchecked.stderr]).toEqual([
      0,
      expect.stringContaining(`Not known: whether there is a user ${nobody}`),
    ]);
    expect(await marks()).toHaveLength(1);
  });

  it('is not armed by the environment', async () => {
    const login = await base.login();
    const ended = await run(['revoke', '--database-url', base.url, '--user', String(login.userId)], {
      ...KEYS,
      CARELINK_YES: '1',
    });
    expect([ended.code, ended.stderr]).toEqual([6, expect.stringContaining('--yes has to be typed')]);
    expect(await outcomes(login.token)).toContain('rotated');
  });

  it.each([
    [
      'sliding, whose first access time is over',
      { exp: -60, refresh_exp: 3_600 },
      { expires: -60, created: 0, keeps: 3_600 },
    ],
    [
      'of a zone east of UTC',
      { exp: 3_600 },
      { expires: 3_600 - 9 * 3_600, created: -9 * 3_600, keeps: 3_600 },
    ],
  ])('reaches a token %s, in each form, and its row lives as long', async (_, claims, row) => {
    const [byJti, byUser, everybody, younger] = await Promise.all(
      Array.from({ length: 4 }, async (__, n) => {
        const iatSeconds = Math.floor(Date.now() / 1000) - (n < 3 ? 5 : 1);
        const times = Object.fromEntries(
          Object.entries(claims).map(([name, seconds]) => [name, iatSeconds + seconds]),
        );
        const login = await base.login({ iatSeconds, claims: times });
        await base.sql(
          `UPDATE token_blacklist_outstandingtoken
              SET expires_at = to_timestamp($2), created_at = to_timestamp($3) WHERE jti = $1`,
          [login.jti, iatSeconds + row.expires, iatSeconds + row.created],
        );
        return { ...login, iatSeconds };
      }),
    );
    expect((await revoke('--jti', byJti!.jti, '--yes')).code).toBe(0);
    expect((await revoke('--user', String(byUser!.userId), '--yes')).events.at(-1)).toMatchObject({
      revoked: 1,
    });
    const at = new Date((everybody!.iatSeconds + 2) * 1000).toISOString();
    expect((await revoke('--issued-before', at, '--yes')).code).toBe(0);
    const ended = await base.sql<{ jti: string; keeps: number }>(
      `SELECT o.jti, extract(epoch FROM o.expires_at)::int AS keeps
         FROM token_blacklist_outstandingtoken o JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
        WHERE o.jti = ANY ($1)`,
      [[byJti!, byUser!, everybody!, younger!].map(({ jti }) => jti)],
    );
    const keeps = new Map(ended.map((one) => [one.jti, one.keeps]));
    for (const { jti, iatSeconds } of [byJti!, byUser!, everybody!]) {
      expect(keeps.get(jti)).toBeGreaterThanOrEqual(iatSeconds + row.keeps);
    }
    expect(keeps.has(younger!.jti)).toBe(false);
  });

  it('by jti: goes on from a rotated token to the tip of its family', async () => {
    const first = await base.login();
    const second = rotated(await instances[0]!.service.refresh(first.token));
    const tip = rotated(await instances[1]!.service.refresh(second.refresh));
    const { code, events } = await revoke('--jti', first.jti, '--yes');
    expect([code, events.at(-1)?.['revoked']]).toEqual([0, 1]);
    expect(await outcomes(tip.refresh)).toEqual(REFUSED);
    const unknown = await revoke('--jti', 'f'.repeat(32), '--yes');
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('No token with the jti')]);
  });

  it('by a token in a file, though it has expired; refuses one of another key', async () => {
    const file = join(directory, 'stolen');
    const first = await base.login();
    const tip = rotated(await instances[0]!.service.refresh(first.token)).refresh;
    // The same token, had its time been shorter.
    const nowSeconds = Math.floor(Date.now() / 1000);
    const old = mintRefresh({
      jti: first.jti,
      userId: first.userId,
      iatSeconds: nowSeconds - 60,
      lifetimeSeconds: 30,
    });
    writeFileSync(file, `${old.token}\n`);
    const shown = await revoke('--family', file);
    expect(shown.events).toEqual([{ event: 'count', target: 'family', live: 1 }]);
    expect((await revoke('--family', file, '--yes')).code).toBe(0);
    expect(await outcomes(tip)).toEqual(REFUSED);

    writeFileSync(file, mintRefresh({ key: 'another key, which is long enough for HS256' }).token);
    const foreign = await revoke('--family', file, '--yes');
    expect([foreign.code, foreign.stderr]).toEqual([2, expect.stringContaining('signed with these keys')]);
    expect(foreign.stderr + foreign.stdout).not.toContain('eyJ');
  });

  it('by an expired token whose row was cleaned up with those that followed it: the tip of its family, and no other', async () => {
    const [user] = await createUsers(base.url, 1);
    const family = await plantFamily(base.url, {
      userId: user!,
      generations: 200,
      keyOf: () => CHAIN_KEY,
      ageSeconds: 3 * 86_400,
    });
    await base.sql(
      `WITH gone AS (DELETE FROM token_blacklist_blacklistedtoken b USING token_blacklist_outstandingtoken o
                      WHERE o.id = b.token_id AND o.user_id = $1 AND o.expires_at < now() RETURNING o.id)
       DELETE FROM token_blacklist_outstandingtoken WHERE id IN (SELECT id FROM gone)`,
      [user],
    );
    const other = await base.login({ userId: user! });
    const file = join(directory, 'expired');
    writeFileSync(file, family.first.token);
    expect((await revoke('--family', file, '--yes')).code).toBe(0);
    expect(await outcomes(family.tip.token)).toEqual(REFUSED);
    expect((await instances[0]!.service.refresh(other.token)).kind).toBe('rotated');
  });
});

describe.skipIf(!available)('revoke --issued-before', () => {
  const { base, instances, revoke, remembered, outcomes } = world();

  it('a time that is still to come is refused, for new logins would be refused until then', async () => {
    const { code, stderr } = await revoke('--issued-before', '2999-01-01T00:00:00Z', '--yes');
    expect([code, stderr]).toEqual([2, expect.stringContaining('still to come')]);
  });

  it('revokes what is older, of all users, in batches; what is younger lives on', async () => {
    const users = await createUsers(base.url, 40);
    const nowSeconds = Math.floor(Date.now() / 1000);
    const old = await issueTokens(base.url, users, { iatSeconds: nowSeconds - 3_600 });
    const rowless = mintRefresh({ userId: users[0]!, iatSeconds: nowSeconds - 3_600 });
    const young = await issueTokens(base.url, users, { iatSeconds: nowSeconds - 60 });
    const moment = new Date((nowSeconds - 600) * 1000).toISOString();
    const { code, events } = await revoke(
      '--issued-before',
      moment,
      '--yes',
      '--batch-size',
      '7',
      '--nice',
      '0',
    );
    expect(code).toBe(0);
    expect(events.at(-1)).toMatchObject({ event: 'done', revoked: 40 });
    expect(events.at(-1)?.['batches']).toBeGreaterThan(10);
    for (const { token } of [...old, rowless]) expect(await outcomes(token)).toEqual(REFUSED);
    for (const { token } of young) expect((await instances[0]!.service.refresh(token)).kind).toBe('rotated');
  });

  it('now: beside sessions that go on refreshing none is left; who logs in afterwards is let in', async () => {
    const sessions = await Promise.all(Array.from({ length: 24 }, () => remembered()));
    const stop = new AbortController();
    const driven = sessions.map((token, n) => refreshOn(token, instances[n % 2]!, stop.signal));
    const { code } = await revoke('--issued-before', 'now', '--yes');
    expect(code).toBe(0);
    stop.abort();
    for (const tip of await Promise.all(driven)) expect(await outcomes(tip)).toEqual(REFUSED);
    const [left] = await base.sql<{ live: number }>(
      `SELECT count(*)::int AS live FROM token_blacklist_outstandingtoken o
        WHERE expires_at > now()
          AND NOT EXISTS (SELECT FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)`,
    );
    expect(left!.live).toBe(0);
    // iat has whole seconds: a login in the second of the revocation is revoked, too.
    await sleep(1_000 - (Date.now() % 1_000) + 10);
    expect((await instances[0]!.service.refresh((await base.login()).token)).kind).toBe('rotated');
  });

  it('now: a claim that began before the mark was to be seen, and later than it, is reached by the second one', async () => {
    // A commit that takes longer than the second that an iat counts in: sessions go on meanwhile, past the mark's time.
    await base.sql(
      `CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$;
       DELETE FROM carelink.revoked_before;
       CREATE TRIGGER slow_commit AFTER INSERT ON carelink.revoked_before FOR EACH ROW EXECUTE FUNCTION slow_commit()`,
    );
    const sessions = await Promise.all(Array.from({ length: 4 }, () => remembered()));
    const stop = new AbortController();
    const driven = sessions.map((token, n) => refreshOn(token, instances[n % 2]!, stop.signal));
    const { code, events } = await revoke('--issued-before', 'now', '--yes');
    stop.abort();
    expect([code, events.at(-1)]).toEqual([0, expect.objectContaining({ event: 'done' })]);
    for (const tip of await Promise.all(driven)) expect(await outcomes(tip)).toEqual(REFUSED);
    await base.sql('DROP FUNCTION slow_commit CASCADE');
  });
});

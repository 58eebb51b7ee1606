/** `audit`, `revoke --session --reason` and `cleanup --audit-retention`, as an operator types them. */
import { userInfo, hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { encodeClaim } from '../../src/cache/claim-entry.js';
import { run } from '../cli/run.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

const CHAIN_KEY = Buffer.alloc(32, 3);

describe.skipIf(services().postgres === undefined)('commands of the audit', () => {
  const world = rotationWorld();
  const cli = (...args: string[]) =>
    run([args[0]!, '--database-url', world.url, ...args.slice(1)], {
      CARELINK_SIGNING_KEY: TEST_SIGNING_KEY,
      CARELINK_CHAIN_KEY: CHAIN_KEY.toString('base64'),
    });
  const lines = async (...args: string[]) =>
    (await cli('audit', '--json', ...args)).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const actor = `command: ${userInfo().username}@${hostname()}`;
  const idOf = async (jti: string) =>
    (
      await world.sql<{ id: string }>(
        'SELECT id::text FROM token_blacklist_outstandingtoken WHERE jti = $1',
        [jti],
      )
    )[0]!.id;

  it('a session is ended by an id that it had before it was refreshed, and the reason is kept', async () => {
    const { service } = await world.start({ chainKeys: [CHAIN_KEY] });
    const first = await world.login();
    const other = await world.login({ userId: first.userId });
    const id = await idOf(first.jti);
    let tip = rotated(await service.refresh(first.token));
    for (let n = 0; n < 3; n++) tip = rotated(await service.refresh(tip.refresh));
    const shown = await cli('revoke', '--session', id, '--reason', 'lost phone');
    expect([shown.code, shown.stdout]).toEqual([6, expect.stringContaining(`Session ${id}: 1 live token`)]);
    const done = await cli('revoke', '--session', id, '--reason', 'lost phone', '--yes');
    expect([done.code, done.stdout]).toEqual([0, expect.stringContaining('Revoked 1 token ')]);
    expect((await service.refresh(tip.refresh)).kind).toBe('blacklisted');
    expect((await service.refresh(other.token)).kind).toBe('rotated');
    const again = await cli('revoke', '--session', id, '--yes');
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('It had ended before')]);
    const [deed, end, ...more] = await lines('--user', String(first.userId));
    expect(deed).toMatchObject({ event: 'deed', kind: 'revoke_session', scope: 'session', actor, reason: 'lost phone', tokens: 1, times: 1 }); // prettier-ignore
    expect([end, ...more]).toEqual([{ event: 'end', rows: 1, more: false }]);
  });

  it.each([
    ['--user', 'revoke_user', 'user', 2],
    ['--jti', 'revoke_token', 'session', 1],
    ['--issued-before', 'revoke_everybody', 'everybody', 2],
  ])('%s is recorded with who, why and how many', async (flag, kind, scope, tokens) => {
    const first = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 60 });
    await world.login({ userId: first.userId, iatSeconds: Math.floor(Date.now() / 1000) - 60 });
    const target = { '--user': String(first.userId), '--jti': first.jti }[flag] ?? new Date(Date.now() - 30_000).toISOString(); // prettier-ignore
    const { code } = await cli('revoke', flag, target, '--reason', `by ${flag}`, '--yes');
    expect(code).toBe(0);
    const [deed] = await lines('--kind', kind);
    expect(deed).toMatchObject({ kind, scope, actor, reason: `by ${flag}`, times: 1 });
    expect(deed!['tokens']).toBeGreaterThanOrEqual(tokens);
    if (scope === 'session') expect(deed!['begun_before']).toBeNull();
    else expect(deed!['begun_before']).toMatch(/^\d{4}-.*Z$/);
    expect(deed!['user']).toBe(scope === 'everybody' ? null : String(first.userId));
  });

  it.each([
    [['revoke', '--session', 'x'], 2, '--session takes the id of a session'],
    [['revoke', '--session', '999999999'], 1, 'No session has the id 999999999'],
    [['revoke', '--session', '1', '--user', '1'], 2, 'not --user and --session'],
    [['revoke', '--user', '1', '--reason', ' '], 2, '--reason takes a text'],
    [['revoke', '--user', '1', '--reason', 'a\nb'], 2, '--reason takes a text'],
    [['audit', '--since', 'yesterday'], 2, '--since takes how long ago'],
    [['audit', '--kind', 'murder'], 2, '--kind takes one of logout'],
    [['cleanup', '--audit-retention', '6'], 2, '--audit-retention takes a duration from 1d to 100y'],
  ])('%j ends with %i, and says why', async (args, code, message) => {
    const told = await cli(...args);
    expect([told.code, told.stderr]).toEqual([code, expect.stringContaining(message)]);
  });

  it('a session whose newest token has no row, for the database refuses it, is not called revoked', async () => {
    const first = await world.login();
    const successor = mintRefresh({ userId: first.userId });
    const entry = encodeClaim({
      jti: first.jti,
      token: first.token,
      userKey: String(first.userId),
      issuedAtSeconds: first.iatSeconds,
      expiresAtSeconds: first.expSeconds,
      rowId: undefined,
      claimedAtUs: Date.now() * 1000,
      successor: { jti: successor.jti, token: successor.token, expiresAtSeconds: successor.expSeconds },
    });
    await world.sql(`INSERT INTO carelink.dead_letters (code, entry) VALUES ('23514', $1)`, [entry]);
    const id = await idOf(first.jti);
    for (const target of [
      ['--session', id],
      ['--jti', first.jti],
    ] as const) {
      const { code, stdout, stderr } = await cli('revoke', ...target, '--yes');
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/Nothing was revoked.*dead-letters.*revoke --user/s);
    }
    const other = await world.login({ userId: first.userId });
    expect((await cli('revoke', '--session', await idOf(other.jti), '--yes')).code).toBe(0);
    expect((await cli('revoke', '--user', String(first.userId), '--yes')).code).toBe(0);
    await world.sql('DELETE FROM carelink.dead_letters');
  });

  it('with another chain key than the servers have, revoke says so and does not call the session over', async () => {
    const { service } = await world.start({ chainKeys: [Buffer.alloc(32, 4)] });
    const first = await world.login();
    let tip = rotated(await service.refresh(first.token));
    tip = rotated(await service.refresh(tip.refresh));
    const { code, stderr } = await cli('revoke', '--session', await idOf(first.jti), '--yes');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/Nothing was revoked.*CARELINK_CHAIN_KEY/s)]);
    expect((await service.refresh(tip.refresh)).kind).toBe('rotated');
  });

  it('a session of which it is not known whether Django ended or refreshed it is not called over', async () => {
    const first = await world.login();
    const id = await idOf(first.jti);
    await world.sql(
      'INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) VALUES (now(), $1)',
      [id],
    );
    const { code, stderr } = await cli('revoke', '--session', id, '--yes');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/Nothing was revoked.*sessions --user/s)]);
    expect((await cli('revoke', '--user', String(first.userId), '--yes')).code).toBe(0);
    expect((await cli('revoke', '--session', id, '--yes')).stdout).toContain('It had ended before');
  });

  it('shows the latest first, says that there are more, and prints nothing that moves a cursor', async () => {
    await world.sql(
      `INSERT INTO carelink.audit (once, deed, kind, scope, actor, reason, user_key, at, last_at)
       SELECT n::text, gen_random_uuid(), 'revoke_user', 'user', 'sql: site', CASE WHEN n = 1 THEN E'\\x1b[2J\\nfaked' ELSE 'why' END,
              'many', now() - n * interval '1 hour', now() - n * interval '1 hour' FROM generate_series(1, 2500) n`,
    );
    const { stdout } = await cli('audit', '--user', 'many', '--limit', '3');
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^at +what +scope +tokens +user, who did it, why$/),
      expect.stringContaining('user many, by sql: site, ?[2J?faked'),
      expect.stringContaining('user many, by sql: site, why'),
      expect.stringContaining('user many, by sql: site, why'),
      'There are older ones: see --limit.',
    ]);
    expect((await lines('--user', 'many', '--limit', 'all')).at(-1)).toEqual({ event: 'end', rows: 2500, more: false }); // prettier-ignore
    expect((await lines('--user', 'many', '--since', '90m')).at(-1)).toMatchObject({ rows: 1 });
    const at = new Date(Date.now() - 150 * 60_000).toISOString();
    expect((await lines('--user', 'many', '--since', at)).at(-1)).toMatchObject({ rows: 2 });
    expect((await cli('audit', '--user', 'nobody')).stdout).toBe('Nothing of that is recorded.\n');
  });

  it('cleanup keeps it, unless it is asked, and then removes what is old batch by batch', async () => {
    await world.sql(
      `INSERT INTO carelink.audit (once, deed, kind, scope, actor, user_key, at, last_at)
       SELECT 'old ' || n, gen_random_uuid(), 'logout', 'session', 'server', 'old', now() - n * interval '366 d', now() - n * interval '1 d'
         FROM generate_series(1, 3000) n`,
    );
    const left = async () =>
      (
        await world.sql<{ n: number }>(`SELECT count(*)::int AS n FROM carelink.audit WHERE user_key = 'old'`)
      )[0]!.n;
    expect((await cli('cleanup')).code).toBe(0);
    expect(await left()).toBe(3000);
    const args = ['cleanup', '--audit-retention', '6y', '--batch-size', '100', '--nice', '0'];
    expect((await cli(...args, '--dry-run')).stdout).toContain('805 rows of the audit would go');
    expect(await left()).toBe(3000);
    const capped = await cli(...args, '--max-rows', '250');
    expect(capped.stdout).toContain('250 rows of the audit were past their retention');
    const { code, stdout } = await cli(...args, '--json');
    const events = stdout.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>); // prettier-ignore
    expect([code, events.at(-1)]).toEqual([0, expect.objectContaining({ audit_deleted: 555 })]);
    expect(events.filter(({ event }) => event === 'audit_progress').length).toBe(6);
    // A year is 366 days: 6 y are 2,196, and what was done that long ago is gone.
    expect(await left()).toBe(2195);
  });

  it('before the migration: revoke says that nothing is recorded, audit that there is none', async () => {
    await world.sql('ALTER TABLE carelink.audit RENAME TO put_away');
    try {
      const { userId } = await world.login();
      const told = await cli('revoke', '--user', String(userId), '--reason', 'why', '--yes');
      expect([told.code, told.stderr]).toEqual([
        0,
        expect.stringContaining('the migration audit is pending'),
      ]);
      const audit = await cli('audit');
      expect([audit.code, audit.stderr]).toEqual([4, expect.stringContaining('no table carelink.audit')]);
      const cleanup = await cli('cleanup', '--audit-retention', '6y');
      expect([cleanup.code, cleanup.stderr]).toEqual([0, expect.stringContaining('has nothing to do')]);
    } finally {
      await world.sql('ALTER TABLE carelink.put_away RENAME TO audit');
    }
  });
});

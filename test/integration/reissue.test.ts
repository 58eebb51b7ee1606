import { beforeAll, describe, expect, test } from 'vitest';
import type { TokenService } from '../../src/rotation/outcomes.js';
import { services } from '../support/services.js';
import { startInstance } from '../support/rotation.js';
import { rotationWorld } from '../support/rotation-world.js';
import { decodeToken } from '../support/tokens.js';

const ready = services().postgres !== undefined;

const COUNTS = `SELECT (SELECT count(*)::int FROM token_blacklist_outstandingtoken) AS outstanding,
                       (SELECT count(*)::int FROM token_blacklist_blacklistedtoken) AS blacklisted`;

/** The rotation of one token ($1) into another ($2) happened an hour ago. */
const LONG_AGO = `
  WITH spent AS (UPDATE token_blacklist_blacklistedtoken b SET blacklisted_at = blacklisted_at - interval '1 hour'
                   FROM token_blacklist_outstandingtoken o WHERE o.id = b.token_id AND o.jti = $1)
  UPDATE token_blacklist_outstandingtoken SET created_at = created_at - interval '1 hour' WHERE jti = $2`;

describe.skipIf(!ready)('a refresh that spends nothing', () => {
  const world = rotationWorld();
  const counts = async () => (await world.sql<{ outstanding: number; blacklisted: number }>(COUNTS))[0]!;

  test.each(['off', 'keep'] as const)(
    '%s: 200 times 32 at once of one token are all answered, and no row is lost',
    async (rotation) => {
      const { service, statements, batches } = await world.start({ rotation });
      const { token } = await world.login();
      const before = await counts();
      const successors = new Set<unknown>();
      const access = new Set<unknown>();
      for (let round = 0; round < 200; round++) {
        const all = await Promise.all(Array.from({ length: 32 }, () => service.refresh(token)));
        for (const outcome of all) {
          if (outcome.kind !== 'reissued') throw new Error(`expected 200, got ${outcome.kind}`);
          access.add(decodeToken(outcome.access).claims['jti']);
          if (outcome.refresh !== undefined) successors.add(decodeToken(outcome.refresh).claims['jti']);
        }
      }
      expect(access.size).toBe(6_400);
      expect(successors.size).toBe(rotation === 'keep' ? 6_400 : 0);
      const after = await counts();
      expect(after.outstanding - before.outstanding).toBe(successors.size);
      expect(after.blacklisted).toBe(before.blacklisted);
      // Those that came together shared one.
      expect(batches).toContain(32);
      const sent = (statements.get('lookup') ?? 0) + (statements.get('claim') ?? 0);
      expect(sent).toBe(batches.length);
      expect(sent).toBeLessThan(6_400 / 8);
    },
  );

  test('off writes nothing: it serves where every transaction is read only', async () => {
    const url = new URL(world.url);
    url.searchParams.set('options', '-c default_transaction_read_only=on');
    const readOnly = await startInstance(url.href, { rotation: 'off' });
    try {
      const { token } = await world.login();
      expect((await readOnly.service.refresh(token)).kind).toBe('reissued');
      expect(readOnly.statements.has('claim')).toBe(false);
      const writing = await startInstance(url.href, { rotation: 'keep', requestTimeoutMs: 500 });
      expect((await writing.service.refresh(token)).kind).toBe('unavailable');
      await writing.close();
    } finally {
      await readOnly.close();
    }
  });

  test('a successor of keep has its row as Django makes it, and is refreshed and logged out by itself', async () => {
    const { service } = await world.start({ rotation: 'keep', verifyBlacklist: false });
    const { token, userId } = await world.login();
    const outcome = await service.refresh(token);
    if (outcome.kind !== 'reissued' || outcome.refresh === undefined) throw new Error(outcome.kind);
    const { claims } = decodeToken(outcome.refresh);
    const rows = await world.sql<{ user_id: number; same: boolean; life: number }>(
      `SELECT user_id, token = $2 AS same, extract(epoch FROM expires_at)::int AS life
         FROM token_blacklist_outstandingtoken WHERE jti = $1`,
      [claims['jti'], outcome.refresh],
    );
    expect(rows).toEqual([{ user_id: userId, same: true, life: claims['exp'] }]);
    expect(await service.logout(outcome.refresh)).toEqual({ kind: 'logged_out' });
    expect((await service.refresh(outcome.refresh)).kind).toBe('blacklisted');
    expect((await service.refresh(token)).kind).toBe('reissued');
  });

  test('a lost answer is repeated, and makes no second row', async () => {
    const instance = await world.start({ rotation: 'keep' });
    const { token } = await world.login();
    const before = await counts();
    instance.faults.push({ purpose: 'claim', what: 'answer_lost' });
    expect((await instance.service.refresh(token)).kind).toBe('reissued');
    expect((await counts()).outstanding - before.outstanding).toBe(1);
  });

  test("who is revoked or inactive is refused at the next refresh, in Django's order", async () => {
    const { service } = await world.start({ rotation: 'off' });
    const { token, userId, jti } = await world.login();
    expect((await service.refresh(token)).kind).toBe('reissued');
    await world.sql('UPDATE auth_user SET is_active = false WHERE id = $1', [userId]);
    expect((await service.refresh(token)).kind).toBe('inactive');
    await world.sql(
      `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
       SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
      [jti],
    );
    expect((await service.refresh(token)).kind).toBe('blacklisted');
    const other = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 60 });
    await world.sql('INSERT INTO carelink.revoked_before (user_key, at) VALUES ($1, now())', [
      String(other.userId),
    ]);
    expect((await service.refresh(other.token)).kind).toBe('blacklisted');
  });
});

describe.skipIf(!ready)('a rotation that is offered', () => {
  const world = rotationWorld();
  let service: TokenService;
  let events: readonly { readonly kind: string }[];

  beforeAll(async () => {
    ({ service, events } = await world.start({ rotation: 'offered', onReuse: 'revoke-user' }));
  });

  const accepted = async (token: string, accepts = true): Promise<string> => {
    const outcome = await service.refresh(token, accepts);
    if (outcome.kind !== 'rotated') throw new Error(`expected a rotation, got ${outcome.kind}`);
    return outcome.refresh;
  };

  test('rotates who accepts it, and leaves the others the token that they have', async () => {
    const old = await world.login();
    const modern = await world.login();
    let token = modern.token;
    for (let turn = 0; turn < 20; turn++) {
      expect(await service.refresh(old.token)).toMatchObject({ kind: 'reissued', refresh: undefined });
      token = await accepted(token);
    }
    expect(decodeToken(token).claims['carelink_rotates']).toBe(true);
  });

  test('a token that was rotated once is spent for everybody, and one that follows from it always rotates', async () => {
    const { token } = await world.login();
    const next = await accepted(token);
    expect((await service.refresh(token)).kind).toBe('blacklisted');
    const third = await accepted(next, false);
    expect((await service.refresh(third)).kind).toBe('rotated');
  });

  test('an old tab that shares the token of its log-in is refused, late as well, and accuses nobody', async () => {
    const { token, jti } = await world.login();
    const next = await accepted(token);
    // Long after what could still be a repeat.
    await world.sql(LONG_AGO, [jti, decodeToken(next).claims['jti']]);
    for (const accepts of [false, true])
      expect((await service.refresh(token, accepts)).kind).toBe('blacklisted');
    expect(events.filter(({ kind }) => kind === 'reuse' || kind === 'revocation')).toEqual([]);
    expect((await service.refresh(next)).kind).toBe('rotated');
  });

  test('a marked token that comes back late is reuse, and its user is revoked', async () => {
    const { token } = await world.login();
    const marked = await accepted(token);
    const next = await accepted(marked);
    await world.sql(LONG_AGO, [decodeToken(marked).claims['jti'], decodeToken(next).claims['jti']]);
    expect((await service.refresh(marked, true)).kind).toBe('blacklisted');
    expect(events.some(({ kind }) => kind === 'reuse')).toBe(true);
    expect((await service.refresh(next, true)).kind).toBe('blacklisted');
  });

  test('each refresh is told as one of a client that accepts, or of one that does not', () => {
    const offers = events.filter(({ kind }) => kind === 'offer') as readonly { accepted?: boolean }[];
    expect(offers.filter(({ accepted: yes }) => yes === false).length).toBeGreaterThanOrEqual(20);
    expect(offers.filter(({ accepted: yes }) => yes === true).length).toBeGreaterThanOrEqual(20);
  });
});

/** Rule 48: each deed is recorded by the statement that does it, once, and nothing is written where nothing is done. */
import { describe, expect, it } from 'vitest';
import { startRedis } from '../support/redis.js';
import { openClient } from '../support/postgres.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import type { MintedToken } from '../support/tokens.js';

/** Of what refreshes send. */
const PURPOSES = ['claim', 'lookup', 'revoke', 'write_behind'] as const;

interface Row {
  readonly kind: string;
  readonly scope: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly tokens: number;
  readonly times: number;
  readonly marked: boolean;
}

describe.skipIf(services().postgres === undefined)('the audit', () => {
  const world = rotationWorld();
  const of = (userId: unknown) =>
    world.sql<Row>(
      `SELECT kind, scope, actor, reason, tokens, times, begun_before IS NOT NULL AS marked
         FROM carelink.audit WHERE user_key = $1 ORDER BY id`,
      [String(userId)],
    );
  const row = (more: Partial<Row>): Row => ({
    kind: 'logout', scope: 'session', actor: 'server', reason: null, tokens: 1, times: 1, marked: false, ...more,
  }); // prettier-ignore
  /** Rotations of that long ago: a repeat is a reuse, and accuses. */
  const longAgo = async ({ userId }: MintedToken): Promise<void> => {
    for (const [table, column, user] of [
      [
        'blacklistedtoken',
        'blacklisted_at',
        'token_id IN (SELECT id FROM token_blacklist_outstandingtoken WHERE user_id = $1)',
      ],
      ['outstandingtoken', 'created_at', 'user_id = $1'],
    ])
      // prettier-ignore
      await world.sql(`UPDATE token_blacklist_${table} SET ${column} = ${column} - interval '5 min' WHERE ${user}`, [userId]);
  };
  const blacklistedOf = async (userId: unknown) =>
    (
      await world.sql<{ n: number }>(
        `SELECT count(*)::int AS n FROM token_blacklist_blacklistedtoken b
           JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id WHERE o.user_id = $1`,
        [userId],
      )
    )[0]!.n;

  it('has a row for a log-out, of an unspent token and of a rotated one, to the tip', async () => {
    const { service } = await world.start();
    const first = await world.login();
    expect((await service.logout(first.token)).kind).toBe('logged_out');
    expect((await service.logout(first.token)).kind).toBe('blacklisted');
    expect(await of(first.userId)).toEqual([row({})]);

    const second = await world.login();
    await service.refresh(rotated(await service.refresh(second.token)).refresh);
    expect((await service.logout(second.token)).kind).toBe('logged_out');
    expect(await of(second.userId)).toEqual([row({})]);
  });

  it('has a row for each of many log-outs that share a statement', async () => {
    const { service } = await world.start();
    const tokens = await Promise.all(Array.from({ length: 40 }, () => world.login()));
    await Promise.all(tokens.map(({ token }) => service.logout(token)));
    for (const { userId } of tokens) expect(await of(userId)).toEqual([row({})]);
  });

  it.each([
    ['revoke-family', row({ kind: 'reuse', reason: 'late' })],
    ['revoke-user', row({ kind: 'reuse', reason: 'late', scope: 'user', tokens: 2, marked: true })],
  ] as const)('has a row for a reuse that is answered by %s', async (onReuse, expected) => {
    const { service } = await world.start({ onReuse });
    const first = await world.login();
    await world.login({ userId: first.userId });
    rotated(await service.refresh(first.token));
    await longAgo(first);
    for (let n = 0; n < 3; n++) expect((await service.refresh(first.token)).kind).toBe('blacklisted');
    expect(await of(first.userId)).toEqual([expected]);
  });

  it('has no row for a reuse that is only refused', async () => {
    const { service } = await world.start();
    const first = await world.login();
    rotated(await service.refresh(first.token));
    await longAgo(first);
    expect((await service.refresh(first.token)).kind).toBe('blacklisted');
    expect(await of(first.userId)).toEqual([]);
  });

  it.each(['revoke-family', 'revoke-user', 'reject'] as const)(
    'a client in a loop of refused refreshes and log-outs writes nothing: %s',
    async (onReuse) => {
      // A token that was walked rests an eighth of that.
      const { service, statements } = await world.start({ onReuse, requestTimeoutMs: 1_000 });
      const first = await world.login();
      rotated(await service.refresh(first.token));
      await longAgo(first);
      const lap = async () => {
        await service.refresh(first.token);
        await service.logout(first.token);
      };
      await lap();
      const before = await written();
      const sent = [...statements.values()].reduce((sum, n) => sum + n, 0);
      const LAPS = 10;
      for (let n = 0; n < LAPS; n++) await lap();
      const after = await written();
      expect(after).toEqual(before);
      // Or the loop would have been answered from memory, and shown nothing.
      expect([...statements.values()].reduce((sum, n) => sum + n, 0) - sent).toBeGreaterThanOrEqual(LAPS);
    },
  );

  /** Rows ever written by this database's sessions: nobody else works on it. */
  async function written() {
    const client = await openClient(world.url);
    try {
      // What sessions have counted is sent when they are idle for a second; this is what tables hold.
      const { rows } = await client.query(
        `SELECT (SELECT max(xmin::text::bigint) FROM token_blacklist_blacklistedtoken) AS blacklisted,
                (SELECT max(xmin::text::bigint) FROM token_blacklist_outstandingtoken) AS outstanding,
                (SELECT max(greatest(xmin::text::bigint, xmax::text::bigint)) FROM carelink.revoked_before) AS marks,
                (SELECT max(greatest(xmin::text::bigint, xmax::text::bigint)) FROM carelink.audit) AS audit`,
      );
      return rows[0] as Record<string, string>;
    } finally {
      await client.end();
    }
  }

  it('holds no token and no jti, and another digest under another chain key', async () => {
    const first = await world.login();
    const [one, other] = [await world.start(), await world.start({ chainKeys: [Buffer.alloc(32, 7)] })];
    await one.service.logout(first.token);
    const second = await world.login({ userId: first.userId });
    await other.service.logout(second.token);
    const rows = await world.sql<{ all: string; jti_digest: string }>(
      `SELECT a::text AS all, jti_digest FROM carelink.audit a WHERE user_key = $1 ORDER BY id`,
      [String(first.userId)],
    );
    for (const { all, jti_digest } of rows) {
      expect(jti_digest).toMatch(/^[0-9a-f]{32}$/);
      for (const { jti, token } of [first, second]) {
        expect(all).not.toContain(jti);
        expect(all).not.toContain(token.split('.')[1]);
      }
    }
    expect(new Set(rows.map(({ jti_digest }) => jti_digest)).size).toBe(2);
  });

  it('what is done again after a restore is counted in the row that is there', async () => {
    const { service } = await world.start();
    const first = await world.login();
    await service.logout(first.token);
    await world.sql(
      `DELETE FROM token_blacklist_blacklistedtoken WHERE token_id = (SELECT id FROM token_blacklist_outstandingtoken WHERE jti = $1)`,
      [first.jti],
    );
    expect((await service.logout(first.token)).kind).toBe('logged_out');
    expect(await of(first.userId)).toEqual([row({ tokens: 2, times: 2 })]);
  });

  it('a deed whose answer was lost, and that is sent again, is recorded once', async () => {
    const { service, faults } = await world.start({ onReuse: 'revoke-user' });
    const first = await world.login();
    faults.push({ purpose: 'revoke', what: 'answer_lost' });
    expect((await service.logout(first.token)).kind).toBe('logged_out');
    expect(await of(first.userId)).toEqual([row({})]);

    const second = await world.login();
    rotated(await service.refresh(second.token));
    await longAgo(second);
    faults.push({ purpose: 'revoke', what: 'answer_lost' });
    expect((await service.refresh(second.token)).kind).toBe('blacklisted');
    expect(await of(second.userId)).toEqual([
      row({ kind: 'reuse', reason: 'late', scope: 'user', marked: true }),
    ]);
  });

  it('a deed that cannot be recorded is not done: 503, and it is done when it can be', async () => {
    const { service } = await world.start({ onReuse: 'revoke-family', requestTimeoutMs: 1_000 });
    const first = await world.login();
    const second = await world.login();
    const successor = rotated(await service.refresh(second.token));
    await longAgo(second);
    await world.sql(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON carelink.audit EXECUTE FUNCTION refuse()`,
    );
    try {
      const before = [await blacklistedOf(first.userId), await blacklistedOf(second.userId)];
      expect((await service.logout(first.token)).kind).toBe('unavailable');
      expect((await service.refresh(second.token)).kind).toBe('unavailable');
      expect([await blacklistedOf(first.userId), await blacklistedOf(second.userId)]).toEqual(before);
      // Refreshes don't record anything, and are as they were.
      expect((await service.refresh(successor.refresh)).kind).toBe('rotated');
    } finally {
      await world.sql('DROP TRIGGER refuse ON carelink.audit; DROP FUNCTION refuse()');
    }
    expect((await service.logout(first.token)).kind).toBe('logged_out');
    expect((await service.refresh(second.token)).kind).toBe('blacklisted');
    expect((await of(second.userId)).map(({ kind }) => kind)).toEqual(['reuse']);
  });

  it('a table of the audit that is locked keeps nobody from refreshing', async () => {
    const { service } = await world.start({ requestTimeoutMs: 1_000 });
    const first = await world.login();
    const client = await openClient(world.url);
    try {
      await client.query('BEGIN; LOCK TABLE carelink.audit');
      expect((await service.logout(first.token)).kind).toBe('unavailable');
      expect((await service.refresh(first.token)).kind).toBe('rotated');
      await client.query('ROLLBACK');
    } finally {
      await client.end();
    }
  });

  // What they write: test/system/audit-cost.test.ts.
  it('refreshes send no statement more than without it', async () => {
    const measured = [];
    for (const recording of [true, false]) {
      if (!recording) await world.sql('ALTER TABLE carelink.audit RENAME TO put_away');
      try {
        const { service, statements } = await world.start();
        let { token } = await world.login();
        // The first claims find the row; what the others do is alike.
        for (let n = 0; n < 5; n++) token = rotated(await service.refresh(token)).refresh;
        const before = new Map(statements);
        for (let n = 0; n < 30; n++) token = rotated(await service.refresh(token)).refresh;
        measured.push(PURPOSES.map((of) => [of, (statements.get(of) ?? 0) - (before.get(of) ?? 0)]));
      } finally {
        if (!recording) await world.sql('ALTER TABLE carelink.put_away RENAME TO audit');
      }
    }
    expect(measured[0]).toEqual([
      ['claim', 30],
      ['lookup', 0],
      ['revoke', 0],
      ['write_behind', 0],
    ]);
    expect(measured[1]).toEqual(measured[0]);
  });

  it('before its migration all is done as before it', async () => {
    await world.sql('ALTER TABLE carelink.audit RENAME TO put_away');
    try {
      const { service } = await world.start({ onReuse: 'revoke-user' });
      const first = await world.login();
      rotated(await service.refresh(first.token));
      await longAgo(first);
      expect((await service.refresh(first.token)).kind).toBe('blacklisted');
      const second = await world.login();
      expect((await service.logout(second.token)).kind).toBe('logged_out');
    } finally {
      await world.sql('ALTER TABLE carelink.put_away RENAME TO audit');
    }
  });

  describe.skipIf(services().redis === undefined)('with claims in Redis', () => {
    it('has a row for a log-out of a token that was claimed there', async () => {
      const redis = await startRedis();
      try {
        const instance = await world.start({ shared: { port: redis.port, blacklist: 'async' } });
        const first = await world.login();
        let { refresh } = rotated(await instance.service.refresh(first.token));
        for (let n = 0; n < 5; n++) ({ refresh } = rotated(await instance.service.refresh(refresh)));
        expect((await instance.service.logout(first.token)).kind).toBe('logged_out');
        expect((await instance.service.refresh(refresh)).kind).toBe('blacklisted');
        expect(await of(first.userId)).toEqual([row({})]);
      } finally {
        await redis.stop();
      }
    });
  });
});

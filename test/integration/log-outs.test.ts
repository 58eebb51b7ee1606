import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeClaim } from '../../src/cache/claim-entry.js';
import { createUsers, openClient } from '../support/postgres.js';
import { rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { issueTokens, mintRefresh } from '../support/tokens.js';

const MANY = 200;

describe.skipIf(services().postgres === undefined)('log-outs that come together', () => {
  const world = rotationWorld();
  const live = () =>
    world.sql<{ jti: string }>(
      `SELECT o.jti FROM token_blacklist_outstandingtoken o
        WHERE NOT EXISTS (SELECT FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)`,
    );
  const logIn = async (count: number) => issueTokens(world.url, await createUsers(world.url, count));

  it('share few statements, and each ends its own token', async () => {
    const { service, statements } = await world.start();
    const [tokens, other] = [await logIn(MANY), await logIn(1)];
    const ends = await Promise.all(tokens.map(({ token }) => service.logout(token)));
    expect(ends).toEqual(tokens.map(() => ({ kind: 'logged_out' })));
    expect((await live()).map(({ jti }) => jti)).toEqual(other.map(({ jti }) => jti));
    // For each a look at the token, and one at what follows it, alone.
    expect(statements.get('revoke')).toBeLessThan(MANY / 2);
    const again = await Promise.all(tokens.map(({ token }) => service.logout(token)));
    expect(new Set(again.map(({ kind }) => kind))).toEqual(new Set(['blacklisted']));
  });

  it('of tokens without a row, of users who are gone, and of the same token: as one by one', async () => {
    const { service } = await world.start();
    const [twice] = await logIn(1);
    const minted = [1, 2, 3].map(() =>
      mintRefresh({ userId: 900_000_000 + Math.floor(Math.random() * 1e6) }),
    );
    const ended = [twice!, twice!, ...minted];
    const ends = await Promise.all(ended.map(({ token }) => service.logout(token)));
    expect(ends).toEqual(ended.map(() => ({ kind: 'logged_out' })));
    const rows = await world.sql<{ jti: string; user_id: unknown }>(
      `SELECT o.jti, o.user_id FROM token_blacklist_outstandingtoken o
         JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id WHERE o.jti = ANY ($1)`,
      [minted.map(({ jti }) => jti)],
    );
    expect(rows.map(({ user_id }) => user_id)).toEqual([null, null, null]);
    for (const { token } of minted) expect(await service.refresh(token)).toEqual({ kind: 'blacklisted' });
  });

  it('hold up nobody but the one whose row is locked', async () => {
    const { service } = await world.start();
    const tokens = await logIn(20);
    const other = await openClient(world.url);
    await other.query('BEGIN');
    // As a Django that blacklists it at this moment.
    await other.query(
      `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
       SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
      [tokens[7]!.jti],
    );
    const held = service.logout(tokens[7]!.token);
    const others = await Promise.all(
      tokens.filter((_, n) => n !== 7).map(({ token }) => service.logout(token)),
    );
    expect(others).toEqual(others.map(() => ({ kind: 'logged_out' })));
    await other.query('COMMIT');
    await other.end();
    expect((await held).kind).toBe('blacklisted');
  });

  it('of which the answer was lost, are told that they are: it stands, and is sent again', async () => {
    const { service, faults } = await world.start();
    const [one] = await logIn(1);
    faults.push({ purpose: 'revoke', what: 'answer_lost' });
    expect(await service.logout(one!.token)).toEqual({ kind: 'logged_out' });
    expect(await service.logout(one!.token)).toEqual({ kind: 'blacklisted' });
  });

  it('of a token whose rotation is not written yet are not done: what came of it lives', async () => {
    const [one] = await logIn(1);
    const { jti, token, userId, iatSeconds, expSeconds } = one!;
    const successor = mintRefresh({ userId });
    // As another instance keeps it that could not write the successor's row.
    const entry = encodeClaim({
      jti,
      token,
      userKey: String(userId),
      issuedAtSeconds: iatSeconds,
      expiresAtSeconds: expSeconds,
      rowId: undefined,
      claimedAtUs: Date.now() * 1000,
      successor: { jti: successor.jti, token: successor.token, expiresAtSeconds: successor.expSeconds },
    });
    await world.sql(
      `ALTER TABLE token_blacklist_outstandingtoken ADD CONSTRAINT refused CHECK (jti <> '${successor.jti}') NOT VALID`,
    );
    await world.sql(`INSERT INTO carelink.dead_letters (code, entry) VALUES ('23514', $1)`, [entry]);
    const { service } = await world.start();
    expect((await service.logout(token)).kind).toBe('unavailable');
    expect((await service.refresh(token)).kind).toBe('blacklisted');
    await world.sql(`ALTER TABLE token_blacklist_outstandingtoken DROP CONSTRAINT refused`);
    await world.sql('DELETE FROM carelink.dead_letters');
  });

  it('are told apart where one of them is refused by a trigger', async () => {
    const { service } = await world.start();
    const tokens = await logIn(12);
    const name = `refuse_${randomUUID().slice(0, 8)}`;
    await world.sql(
      `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF NEW.token_id = (SELECT id FROM token_blacklist_outstandingtoken WHERE jti = '${tokens[3]!.jti}') THEN
           RAISE EXCEPTION 'not this one';
         END IF;
         RETURN NEW;
       END $$;
       CREATE TRIGGER ${name} BEFORE INSERT ON token_blacklist_blacklistedtoken FOR EACH ROW EXECUTE FUNCTION ${name}()`,
    );
    const ends = await Promise.all(tokens.map(({ token }) => service.logout(token)));
    await world.sql(`DROP TRIGGER ${name} ON token_blacklist_blacklistedtoken; DROP FUNCTION ${name}()`);
    expect(ends.map(({ kind }) => kind)).toEqual(
      tokens.map((_, n) => (n === 3 ? 'unavailable' : 'logged_out')),
    );
    expect((await service.logout(tokens[3]!.token)).kind).toBe('logged_out');
  });
});

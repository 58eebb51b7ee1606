import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { encodeClaim } from '../../src/cache/claim-entry.js';
import { createUsers, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { issueTokens, mintRefresh, type MintedToken } from '../support/tokens.js';
import { run } from './run.js';

describe.skipIf(services().postgres === undefined)('dead-letters', () => {
  let database: FreshDatabase;
  let login: MintedToken;
  let successor: MintedToken;
  let id: string;
  beforeAll(async () => {
    database = await migratedDatabase();
    [login] = (await issueTokens(database.url, await createUsers(database.url, 1))) as [MintedToken];
    successor = mintRefresh({ userId: login.userId });
    const nowSeconds = Math.floor(Date.now() / 1000);
    const entry = encodeClaim({
      jti: login.jti,
      rowId: undefined,
      token: login.token,
      userKey: String(login.userId),
      issuedAtSeconds: nowSeconds - 60,
      expiresAtSeconds: nowSeconds + 600,
      claimedAtUs: (nowSeconds - 5) * 1_000_000,
      successor: { jti: successor.jti, token: successor.token, expiresAtSeconds: nowSeconds + 3_600 },
    });
    const keep = 'INSERT INTO carelink.dead_letters (code, entry) VALUES ($1, $2) RETURNING id';
    id = (await query<{ id: string }>(database.url, keep, ['P0001', entry]))[0]!.id;
    await query(database.url, keep, ['UNREADABLE', `[9,"${randomBytes(16).toString('hex')}"]`]);
    await query(
      database.url,
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON token_blacklist_blacklistedtoken FOR EACH ROW EXECUTE FUNCTION refuse()`,
    );
  });
  afterAll(() => database.drop());

  const deadLetters = (...args: string[]) => run(['dead-letters', ...args, '--database-url', database.url]);
  const left = async () =>
    (await query<{ id: string }>(database.url, 'SELECT id FROM carelink.dead_letters ORDER BY id')).map(
      (row) => row.id,
    );

  it('shows what there is and why, and no token', async () => {
    const { code, stdout } = await deadLetters('list', '--json');
    expect(code).toBe(0);
    const { letters } = JSON.parse(stdout) as { letters: Record<string, unknown>[] };
    expect(letters).toHaveLength(2);
    expect(letters[0]).toMatchObject({
      id,
      code: 'P0001',
      user: String(login.userId),
      jti_digest: createHash('sha256').update(login.jti).digest('hex').slice(0, 12),
    });
    expect(letters[1]).toMatchObject({ code: 'UNREADABLE', user: null, jti_digest: null });
    const table = (await deadLetters()).stdout;
    expect(table).toMatch(/refused at +code +jti/);
    for (const said of [stdout, table]) {
      for (const secret of [login.token, successor.token, login.jti, successor.jti])
        expect(said).not.toContain(secret);
    }
  });

  it('retry says what is refused still, and writes it once it is mended', async () => {
    const refused = await deadLetters('retry', id);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stdout).toMatch(/Written: 0. Refused again: 1/);
    expect(refused.stderr).toContain('P0001');
    expect(await left()).toHaveLength(2);

    const meant = await deadLetters('drop', id);
    expect(meant.code).toBe(6);
    expect(meant.stdout).toContain(`revoke --user ${login.userId}`);
    expect(await left()).toHaveLength(2);

    await query(database.url, 'DROP FUNCTION refuse CASCADE');
    expect(await deadLetters('retry', id)).toMatchObject({ code: 0 });
    const [row] = await query<{ jti: string }>(
      database.url,
      `SELECT o.jti FROM token_blacklist_blacklistedtoken b JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id`,
    );
    expect(row?.jti).toBe(login.jti);
    expect(await left()).not.toContain(id);
    expect((await deadLetters('retry', id)).stderr).toContain(`There is no letter ${id}`);
  });

  it('drops what it is told to', async () => {
    expect(await deadLetters('drop', '--all', '--yes')).toMatchObject({ code: 0 });
    expect(await left()).toEqual([]);
    expect((await deadLetters('drop', '--all')).stdout).toContain('none');
  });

  it.each([
    [['burn'], /one of list, retry, drop/],
    [['drop'], /--all/],
    [['drop', 'x'], /numbers/],
    [['list', '1'], /no ids/],
    [['retry', '1', '--all'], /exclude/],
  ])('%j is bad usage', async (args, says) => {
    const { code, stderr } = await deadLetters(...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(says);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { grantedRole } from '../support/granted-role.js';
import { createUsers, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { issueTokens, type MintedToken } from '../support/tokens.js';
import { run } from './run.js';

const iso = (seconds: number) => new Date(seconds * 1000).toISOString();
const readable = (seconds: number) => iso(seconds).slice(0, 19).replace('T', ' ');

describe.skipIf(services().postgres === undefined)('sessions', () => {
  let database: FreshDatabase;
  let login: MintedToken;
  let nobody: number | string;
  beforeAll(async () => {
    database = await migratedDatabase();
    const [user, other, inactive] = await createUsers(database.url, 3);
    [login] = (await issueTokens(database.url, [user!], {
      iatSeconds: Math.floor(Date.now() / 1000) - 600,
    })) as [MintedToken];
    nobody = other!;
    await issueTokens(database.url, [inactive!]);
    await query(database.url, 'UPDATE auth_user SET is_active = false WHERE id = $1', [inactive]);
  });
  afterAll(() => database.drop());
  const sessions = (...args: string[]) => run(['sessions', ...args], { DATABASE_URL: database.url });

  it('for a person: a line each, and what ends them; nothing of the tokens', async () => {
    const { code, stdout, stderr } = await sessions('--user', String(login.userId));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines[0]).toBe(`User ${login.userId}: 1 live session.`);
    expect(lines[3]!.trim().split(/ {2,}/)).toEqual([
      expect.stringMatching(/^\d+$/),
      readable(login.iatSeconds),
      '-',
      readable(login.expSeconds),
    ]);
    expect(stdout).toContain(`revoke --user ${login.userId}`);
    expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
    expect(stdout).not.toContain(login.jti);
    expect(stdout).not.toContain(login.token);
  });

  it('for a program: one document', async () => {
    const { code, stdout, stderr } = await sessions('--user', String(login.userId), '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      user: String(login.userId),
      user_checked: true,
      live: 1,
      sessions: [
        {
          id: expect.stringMatching(/^\d+$/),
          kind: 'refresh',
          since: iso(login.iatSeconds),
          last_refresh: null,
          expires: iso(login.expSeconds),
          dead_letter: false,
        },
      ],
      refused: {},
      cut: false,
    });
  });

  it('where there is none it says so, and why tokens are none', async () => {
    expect((await sessions('--user', String(nobody))).stdout).toBe(`User ${nobody}: no live sessions.\n`);
    const { stdout } = await sessions('--user', String(Number(nobody) + 1));
    expect(stdout.split('\n')[1]).toBe('1 token is not spent, and would be refused: the user is not active.');
  });

  it('a role that may only read is enough', async () => {
    const role = await grantedRole(database.url, ['sessions']);
    try {
      const held = await query<{ privilege: string }>(
        database.url,
        `SELECT DISTINCT privilege_type AS privilege FROM information_schema.table_privileges WHERE grantee = $1`,
        [role.name],
      );
      expect(held).toEqual([{ privilege: 'SELECT' }]);
      const { code, stdout } = await run(['sessions', '--user', String(login.userId)], {
        DATABASE_URL: role.url,
      });
      expect([code, stdout.split('\n')[0]]).toEqual([0, `User ${login.userId}: 1 live session.`]);
    } finally {
      await role.drop();
    }
  });

  it.each([
    ['nobody is named', [], 2, 'CONFIG_INVALID', '--user'],
    ['a user who is not there', ['--user', '999'], 1, 'USER_NOT_FOUND', 'not a username'],
    ['what no id can be', ['--user', 'mary'], 2, 'USER_ID_UNFIT', 'integer'],
    [
      'a site without token tables',
      ['--user', '1', '--token-tables', 'none'],
      2,
      'CONFIG_INVALID',
      'nothing is written',
    ],
    ['none are to be shown', ['--user', '1', '--limit', '0'], 2, 'CONFIG_INVALID', '--limit'],
  ])('says what is wrong, and what to do: %s', async (_, args, code, name, words) => {
    const ended = await sessions(...args);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toContain(name);
    expect(ended.stderr).toContain(words);
  });
});

import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { decodeToken, insertOutstanding, mintRefresh } from '../support/tokens.js';

const PAGE = readFileSync(new URL('../../docs/who-may-refresh.md', import.meta.url), 'utf8');

/** The view that the page has under a heading. */
const viewOf = (heading: string): string => {
  const section = PAGE.split(/^#+ /m).find((one) => one.startsWith(`${heading}\n`));
  return /```sql\n([^`]+)```/.exec(section ?? '')![1]!;
};

interface Case {
  readonly heading: string;
  /** The site's tables, with user 1 who may refresh and user 2 who may not. */
  readonly site: string;
  readonly tables: string;
  readonly column?: string;
}

const USERS = (table: string, column: string, [good, bad]: readonly [string, string]) =>
  `CREATE TABLE ${table} (id int PRIMARY KEY, is_active boolean NOT NULL DEFAULT true, ${column});
   INSERT INTO ${table} VALUES (1, true, ${good}), (2, true, ${bad}), (3, false, ${good});`;

const CASES: readonly Case[] = [
  {
    heading: 'An inherited user model',
    site: `CREATE TABLE people_employee (id int PRIMARY KEY, is_active boolean);
           CREATE TABLE people_nurse (employee_ptr_id int PRIMARY KEY REFERENCES people_employee);
           INSERT INTO people_employee VALUES (1, true), (2, true), (3, false); INSERT INTO people_nurse VALUES (1), (3)`,
    tables: 'people_nurse, people_employee',
  },
  {
    heading: 'Soft deletion',
    site: USERS('people_softuser', 'deleted_at timestamptz', ['NULL', 'now()']),
    tables: 'people_softuser',
  },
  {
    heading: 'Locked users',
    site: USERS('people_user', 'locked_until timestamptz', [
      "now() - interval '1 s'",
      "now() + interval '1 h'",
    ]),
    tables: 'people_user',
  },
  {
    heading: 'Unverified users',
    site: USERS('people_user', 'email_verified boolean', ['true', 'false']),
    tables: 'people_user',
  },
  {
    heading: 'A rule over another table',
    site: `CREATE TABLE employment (user_id int, ends_on date);
           INSERT INTO employment VALUES (1, current_date + 1), (1, current_date + 2), (2, current_date - 1), (3, current_date)`,
    tables: 'employment',
  },
  {
    heading: 'Another field in tokens',
    site: `CREATE TABLE people_user (id int PRIMARY KEY, email text UNIQUE, is_active boolean);
           INSERT INTO people_user VALUES (1, 'a@b.org', true), (3, 'c@d.org', false)`,
    tables: 'people_user',
    column: 'email',
  },
];

describe.skipIf(services().postgres === undefined)('the views of docs/who-may-refresh.md', () => {
  const world = rotationWorld();
  let drop = '';
  afterEach(async () => {
    if (drop !== '') await world.sql(drop);
    drop = '';
  });

  const login = async (userId: number, claimed: number | string = userId): Promise<string> => {
    const token = mintRefresh({ userId: claimed });
    await insertOutstanding(world.url, [{ ...token, userId }]);
    return token.token;
  };

  it.each(CASES)('$heading', async ({ heading, site, tables, column }) => {
    drop = `DROP VIEW carelink_users; DROP TABLE ${tables}`;
    await world.sql(
      `INSERT INTO auth_user (id, is_active) SELECT n, n < 3 FROM generate_series(1, 3) n ON CONFLICT DO NOTHING; ${site}`,
    );
    await world.sql(viewOf(heading));
    const users = { userTable: 'carelink_users', ...(column !== undefined && { userIdColumn: column }) };
    const { service } = await world.start({ users });
    const names = column === undefined ? [1, 2, 3] : ['a@b.org', 'nobody@b.org', 'c@d.org'];
    const tokens = await Promise.all([1, 2, 3].map((id, n) => login(id, names[n])));
    const outcomes = await Promise.all(tokens.map((token) => service.refresh(token)));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['rotated', 'inactive', 'inactive']);
  });

  it('Fresh claims', async () => {
    drop =
      'DROP VIEW carelink_users; DROP TABLE auth_user_groups, auth_group; ALTER TABLE auth_user DROP is_staff';
    await world.sql(
      `CREATE TABLE auth_group (id int, name text); CREATE TABLE auth_user_groups (user_id int, group_id int);
       ALTER TABLE auth_user ADD is_staff boolean NOT NULL DEFAULT false;
       INSERT INTO auth_group VALUES (1, 'nurses'), (2, 'doctors');
       INSERT INTO auth_user (id, is_active) VALUES (1, true) ON CONFLICT DO NOTHING;
       INSERT INTO auth_user_groups VALUES (1, 1), (1, 2)`,
    );
    await world.sql(viewOf('Fresh claims'));
    const { service } = await world.start({ users: { userTable: 'carelink_users' } });
    const first = rotated(await service.refresh(await login(1)));
    expect(decodeToken(first.access).claims).toMatchObject({
      is_staff: false,
      groups: ['doctors', 'nurses'],
    });
    await world.sql('DELETE FROM auth_user_groups');
    const second = rotated(await service.refresh(first.refresh));
    expect(decodeToken(second.access).claims).toMatchObject({ groups: [] });
  });

  it('are all tried here', () => {
    const headings = [...PAGE.matchAll(/^#+ ([^\n]+)\n(?:(?!^#)[^])*?```sql/gm)].map(
      ([, heading]) => heading,
    );
    expect(headings).toEqual([...CASES.map(({ heading }) => heading), 'Fresh claims']);
  });
});

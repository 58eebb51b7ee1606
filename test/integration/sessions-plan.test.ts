/** How PostgreSQL finds the rows of a user: never by reading a table from end to end. */
import { beforeAll, describe, expect, it } from 'vitest';
import { readSchema, type TokenSchema } from '../../src/store/schema.js';
import { userRowsSql } from '../../src/sessions/rows.js';
import { plantCrowd } from '../support/crowd.js';
import { testDatabase } from '../support/database.js';
import { createUsers, query } from '../support/postgres.js';
import { rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

const USERS = 300;
const ROWS = 30_000;
const BY_TIME = 'idx_refresh_token_user_created';
const OF_DJANGO = 'token_blacklist_outstandingtoken_user_id_83bc629a';
const OF_BLACKLIST = 'token_blacklist_blacklistedtoken_token_id_key';

interface Node {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly 'Scan Direction'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly Node[];
}

describe.skipIf(services().postgres === undefined)("a user's rows", () => {
  const world = rotationWorld();
  let busy: number | string;
  const schemaOf = async (
    users: { userTable?: string; userIdColumn?: string } = {},
  ): Promise<TokenSchema> => {
    const database = testDatabase(world.url, { size: 1 });
    try {
      return await readSchema(database, {
        userCheck: 'auto',
        userTable: users.userTable,
        userIdColumn: users.userIdColumn,
        userActiveColumn: 'is_active',
      });
    } finally {
      await database.end();
    }
  };
  beforeAll(async () => {
    await createUsers(world.url, USERS);
    [busy = 0] = await createUsers(world.url, 1);
    await plantCrowd(world.url, { rows: ROWS, users: USERS, busyUserId: busy, busyRows: 5_000 });
  });

  /** As the planner chooses by itself: nothing is switched off. */
  const planOf = async (schema: TokenSchema, userKey: string, limit = 100_001): Promise<Node[]> => {
    const [row] = await query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
      world.url,
      `EXPLAIN (ANALYZE, FORMAT JSON) ${userRowsSql(schema)}`,
      [userKey, 0, limit],
    );
    const all = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(all)];
    return all(row!['QUERY PLAN'][0].Plan);
  };
  const types = (nodes: readonly Node[]) => nodes.map((node) => node['Node Type']);
  const indexes = (nodes: readonly Node[]) => new Set(nodes.flatMap((node) => node['Index Name'] ?? []));

  /** Nodes that read the token table: how many of its rows each of them got. */
  const readBy = (nodes: readonly Node[]) =>
    nodes
      .filter((node) => [BY_TIME, OF_DJANGO].includes(node['Index Name'] ?? ''))
      .map((node) => node['Actual Rows'] * node['Actual Loops']);

  it('are read and no others, and each blacklist row by its own index', async () => {
    const nodes = await planOf(await schemaOf(), '1');
    expect(types(nodes)).not.toContain('Seq Scan');
    expect(types(nodes).filter((type) => type.includes('Hash') || type.includes('Merge'))).toEqual([]);
    expect(readBy(nodes)).toEqual([ROWS / USERS]);
    const blacklist = nodes.find((node) => node['Index Name'] === OF_BLACKLIST)!;
    expect(blacklist['Actual Loops']).toBe(ROWS / USERS);
  });

  it('of a user who has many come newest first out of their index: as far as is asked for, and no further', async () => {
    const nodes = await planOf(await schemaOf(), String(busy), 1_000);
    const scan = nodes.find((node) => node['Index Name'] === BY_TIME)!;
    expect(scan['Actual Rows']).toBe(1_000);
    expect(scan['Scan Direction']).toBe('Backward');
    expect(types(nodes)).not.toContain('Seq Scan');
    expect(types(nodes)).not.toContain('Sort');
  });

  it('of a user whom a view names by another key, too', async () => {
    await world.sql(
      `ALTER TABLE auth_user ADD COLUMN mail text UNIQUE;
       UPDATE auth_user SET mail = id || '@example.org';
       ANALYZE auth_user;
       CREATE VIEW site_users AS SELECT id, mail, is_active FROM auth_user`,
    );
    const schema = await schemaOf({ userTable: 'site_users', userIdColumn: 'mail' });
    const nodes = await planOf(schema, '7@example.org');
    expect(readBy(nodes)).toEqual([ROWS / USERS]);
  });

  it("without our index Django's own leads to them", async () => {
    await world.sql(`DROP INDEX ${BY_TIME}`);
    const nodes = await planOf(await schemaOf(), '1');
    expect(types(nodes)).not.toContain('Seq Scan');
    expect(indexes(nodes)).toEqual(new Set([OF_DJANGO, OF_BLACKLIST]));
  });
});

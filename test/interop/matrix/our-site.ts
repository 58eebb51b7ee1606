/** carelink-tokens at a site of the matrix, on tables as that site has them. */
import { createSimplejwtTables, freshDatabase, query } from '../../support/postgres.js';
import { startMigrated } from '../pair.js';
import type { Asked } from './case.js';
import { departures } from './departures.js';
import { expected, normalOfOurs } from './normal.js';
import type { Replies } from './record.js';
import { repliesAt } from './replies.js';
import { flagsOf, givePasswords, tablesOf, type Site } from './sites.js';

const USER_COLUMNS = `ADD COLUMN username text, ADD COLUMN password text, ADD COLUMN is_superuser boolean,
  ADD COLUMN first_name text, ADD COLUMN last_name text, ADD COLUMN email text, ADD COLUMN is_staff boolean,
  ADD COLUMN date_joined timestamptz`;

/** All that ours answers there. */
export async function ourReplies(site: Site, compat: '5.2' | '5.5'): Promise<Replies> {
  const database = await freshDatabase();
  try {
    if (site.app) await createSimplejwtTables(database.url);
    else {
      const table = 'CREATE TABLE auth_user (id serial PRIMARY KEY, is_active boolean NOT NULL)';
      await query(database.url, table);
    }
    await query(database.url, `ALTER TABLE auth_user ${USER_COLUMNS}`);
    const insert = 'INSERT INTO auth_user (is_active) VALUES (true), (false) RETURNING id';
    const [active, inactive] = await query<{ id: number }>(database.url, insert);
    await givePasswords(database.url);
    const args = ['--simplejwt-compat', compat, ...flagsOf(site)];
    const ours = await startMigrated(database.url, { args, migrateArgs: tablesOf(site) });
    try {
      const users = { active: active!.id, inactive: inactive!.id, unknown: 999_999 };
      const url = () => ours.url;
      return await repliesAt(site, { database: database.url, users, url, normal: normalOfOurs });
    } finally {
      await ours.close();
    }
  } finally {
    await database.drop();
  }
}

/** What ours is to answer where simplejwt answers `theirs`, and the departures that are none. */
export function wantedReplies(
  asked: Asked,
  site: Site,
  theirs: Replies,
): { readonly wanted: Replies; readonly idle: readonly string[] } {
  const compat = asked === 'head' ? '5.5' : asked;
  const departing = departures(asked, site);
  const wanted = Object.fromEntries(
    Object.entries(theirs).map(
      ([name, reply]) => [name, expected(reply, departing.get(name), compat)] as const,
    ),
  );
  const idle = [...departing.keys()].filter(
    (name) => JSON.stringify(wanted[name]) === JSON.stringify(theirs[name]),
  );
  return { wanted, idle };
}

/** All that one server answers at a site: each case of the matrix, and with CHECK_REVOKE_TOKEN those of passwords. */
import { send, type Reply } from '../http.js';
import { cases } from './all.js';
import type { NormalReply } from './normal.js';
import { passwordReplies } from './passwords.js';
import { HASH, type Site } from './sites.js';
import { world, type Users } from './world.js';

export interface Asked {
  readonly database: string;
  readonly users: Users;
  readonly url: () => string;
  readonly normal: (reply: Reply) => NormalReply;
}

export async function repliesAt(
  { app, check }: Site,
  { database, users, url, normal }: Asked,
): Promise<Record<string, NormalReply>> {
  const given = world(database, users, { app, hash: check ? HASH : undefined });
  const replies: Record<string, NormalReply> = {};
  for (const one of cases) replies[one.name] = normal(await send(url(), await one.message(given)));
  return check ? { ...replies, ...(await passwordReplies(database, url, normal, { app })) } : replies;
}

/** What a client meets at a site, by what the site does with refresh tokens: with and without the blacklist app. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { query } from '../../support/postgres.js';
import { BIN, startServer, type TestServer } from '../../support/server.js';
import { insertOutstanding, mintRefresh, type MintedToken, type MintOptions } from '../../support/tokens.js';
import { blacklist, refresh, slide, verify } from '../api.js';
import type { Reply } from '../http.js';
import type { Asked } from './case.js';
import type { NormalReply } from './normal.js';
import { nowSeconds } from './world.js';

export interface Policy {
  readonly name: string;
  /** The blacklist app is installed. */
  readonly app: boolean;
  /** ROTATE_REFRESH_TOKENS */
  readonly rotate: boolean;
  /** BLACKLIST_AFTER_ROTATION */
  readonly blacklistAfter: boolean;
  /** How `serve` is told. */
  readonly args: readonly string[];
}

/** Without token tables nothing refers to the users. */
const NO_TABLES = ['--token-tables', 'none', '--user-table', 'auth_user'];

// Without the app there is nothing to blacklist by, whatever BLACKLIST_AFTER_ROTATION says.
export const POLICIES: readonly Policy[] = [
  { name: 'no rotation, no app (the default)', app: false, rotate: false, blacklistAfter: false, args: ['--rotation', 'off', ...NO_TABLES] },
  { name: 'rotation without blacklisting, no app', app: false, rotate: true, blacklistAfter: false, args: ['--rotation', 'keep', ...NO_TABLES] },
  { name: 'rotation and BLACKLIST_AFTER_ROTATION, no app', app: false, rotate: true, blacklistAfter: true, args: ['--rotation', 'keep', ...NO_TABLES] },
  { name: 'no rotation, the app', app: true, rotate: false, blacklistAfter: false, args: ['--rotation', 'off', '--verify-blacklist', 'off'] },
  { name: 'no rotation, BLACKLIST_AFTER_ROTATION, the app', app: true, rotate: false, blacklistAfter: true, args: ['--rotation', 'off'] },
  { name: 'rotation without blacklisting, the app', app: true, rotate: true, blacklistAfter: false, args: ['--rotation', 'keep'] },
  { name: 'rotation and blacklisting, the app', app: true, rotate: true, blacklistAfter: true, args: ['--rotation', 'on'] },
]; // prettier-ignore

/** The settings of test/support/django for it. */
export function djangoEnv({ app, rotate, blacklistAfter }: Policy): Record<string, string> {
  const flag = (on: boolean) => (on ? '1' : '0');
  return {
    DJANGO_BLACKLIST_APP: flag(app),
    DJANGO_ROTATE: flag(rotate),
    DJANGO_BLACKLIST: flag(blacklistAfter),
  };
}

/** A server of ours on each policy of one database: it is migrated once, and they start at the same time. */
export async function startPolicies(
  database: string,
  policies: readonly Policy[],
  args: readonly string[] = [],
): Promise<ReadonlyMap<Policy, TestServer>> {
  const tables = policies.some(({ app }) => app) ? [] : ['--token-tables', 'none'];
  await promisify(execFile)(process.execPath, [BIN, 'migrate', '--database-url', database, ...tables]);
  const start = async (policy: Policy) =>
    [policy, await startServer({ databaseUrl: database, args: [...args, ...policy.args] })] as const;
  return new Map(await Promise.all(policies.map(start)));
}

/** Each step of the life by its name: the reply, or how many rows it all has written. */
export type Life = Readonly<Record<string, NormalReply | Rows | null>>;

interface Rows {
  readonly outstanding: number;
  readonly blacklisted: number;
}

interface Where {
  readonly url: string;
  readonly database: string;
  readonly normal: (reply: Reply) => NormalReply;
}

/** The columns that Django's user table has and a bare one hasn't. */
export async function makeUserColumns(database: string): Promise<void> {
  await query(
    database,
    `ALTER TABLE auth_user
       ADD COLUMN username text, ADD COLUMN password text, ADD COLUMN is_superuser boolean, ADD COLUMN first_name text,
       ADD COLUMN last_name text, ADD COLUMN email text, ADD COLUMN is_staff boolean, ADD COLUMN date_joined timestamptz`,
  );
}

async function makeUser(database: string): Promise<number> {
  const [row] = await query<{ id: number }>(
    database,
    `INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email, is_staff, is_active, date_joined)
     VALUES (gen_random_uuid(), '', false, '', '', '', false, true, now()) RETURNING id`,
  );
  return row!.id;
}

async function rowsOf(database: string): Promise<Rows> {
  const [rows] = await query<{ outstanding: number; blacklisted: number }>(
    database,
    `SELECT (SELECT count(*)::int FROM token_blacklist_outstandingtoken) AS outstanding,
            (SELECT count(*)::int FROM token_blacklist_blacklistedtoken) AS blacklisted`,
  );
  return rows!;
}

/** All that a client may do with the token of a log-in, and with what came of it. */
export async function life({ app }: Policy, { url, database, normal }: Where): Promise<Life> {
  const user = await makeUser(database);
  const logIn = async (options: MintOptions = {}): Promise<MintedToken> => {
    const token = mintRefresh({ userId: user, ...options });
    if (app) await insertOutstanding(database, [token]);
    return token;
  };
  const before = app ? await rowsOf(database) : undefined;
  const told: Record<string, NormalReply | Rows | null> = {};
  const tell = (name: string, reply: Reply): Reply => {
    if (name in told) throw new Error(`two steps have the name ${name}`);
    told[name] = withoutUser(normal(reply));
    return reply;
  };
  const { token } = await logIn({ claims: { ward: 'B4', beds: [1, 2] } });
  const sliding = (await logIn({ tokenType: 'sliding', claims: { refresh_exp: nowSeconds() + 43_200 } }))
    .token;
  const first = tell('refresh', await refresh(url, token));
  const { access, refresh: next } = first.body as { access: string; refresh?: string };
  tell('refresh, the second time', await refresh(url, token));
  tell('verify', await verify(url, token));
  tell('verify of the access token', await verify(url, access));
  if (next !== undefined) {
    tell('refresh of the next', await refresh(url, next));
    tell('verify of the next', await verify(url, next));
    tell('log-out of the next', await blacklist(url, next));
    tell('refresh of the next after it', await refresh(url, next));
    tell('verify of the next after it', await verify(url, next));
  }
  tell('refresh, the third time', await refresh(url, token));
  tell('log-out', await blacklist(url, token));
  tell('log-out, the second time', await blacklist(url, token));
  tell('refresh after the log-out', await refresh(url, token));
  tell('verify after the log-out', await verify(url, token));
  tell('refresh of an access token', await refresh(url, access));
  tell('refresh of a sliding token', await refresh(url, sliding));
  tell('sliding refresh', await slide(url, sliding));
  tell('log-out of an access token', await blacklist(url, access));
  tell('refresh of an expired token', await refresh(url, mintRefresh({ lifetimeSeconds: -10 }).token));
  tell('refresh of a broken token', await refresh(url, `${token}x`));
  const untouched = (await logIn()).token;
  tell('log-out of a token that was never refreshed', await blacklist(url, untouched));
  tell('refresh of it after the log-out', await refresh(url, untouched));
  const [ofInactive, ofGone] = [await logIn(), await logIn()];
  const after = app ? await rowsOf(database) : undefined;
  told['rows'] = before && after ? { outstanding: after.outstanding - before.outstanding, blacklisted: after.blacklisted - before.blacklisted } : null; // prettier-ignore
  await query(database, 'UPDATE auth_user SET is_active = false WHERE id = $1', [user]);
  tell('refresh of an inactive user', await refresh(url, ofInactive.token));
  if (app) await query(database, 'UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE user_id = $1', [user]); // prettier-ignore
  await query(database, 'DELETE FROM auth_user WHERE id = $1', [user]);
  tell('refresh of a user who is gone', await refresh(url, ofGone.token));
  return told;
}

/** Each side's life is a user's of its own. */
function withoutUser(reply: NormalReply): NormalReply {
  return JSON.parse(JSON.stringify(reply).replace(/"user_id":\d+/g, '"user_id":0')) as NormalReply;
}

const NO_ACTIVE_ACCOUNT = {
  status: 401,
  body: { detail: 'No active account found for the given token.' },
};

/** What carelink-tokens answers otherwise, and means to. */
function departures({ app, rotate, blacklistAfter }: Policy, asked: Asked): Readonly<Record<string, object>> {
  const spends = app && rotate && blacklistAfter;
  return {
    // simplejwt 5.2 does not look at the user.
    ...(asked === '5.2' && { 'refresh of an inactive user': NO_ACTIVE_ACCOUNT }),
    // Nor does 5.5 expect that there may be none: it answers 500.
    ...(asked !== 'head' && { 'refresh of a user who is gone': NO_ACTIVE_ACCOUNT }),
    // The log-out of a token that was rotated goes on to the tip (docs/decisions/0002), and each successor has its row.
    ...(spends && {
      'log-out of the next': { status: 200, body: {} },
      rows: { outstanding: 7, blacklisted: 4 },
    }),
  };
}

/** Every step is the same, or the departure that is meant: which must be one. */
export function compareLives(policy: Policy, asked: Asked, theirs: Life, ours: Life): void {
  const wanted: Record<string, unknown> = { ...theirs };
  for (const [step, departure] of Object.entries(departures(policy, asked))) {
    expect(theirs[step]).not.toMatchObject(departure);
    wanted[step] = expect.objectContaining(departure);
  }
  expect(ours).toEqual(wanted);
}

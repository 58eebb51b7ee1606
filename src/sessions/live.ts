import { keptEnd } from '../rotation/lifetimes.js';
import type { BadStanding } from '../rotation/standing.js';
import type { Ask } from '../store/database.js';
import type { RowDates } from '../store/row-dates.js';
import type { TokenSchema } from '../store/schema.js';
import { readStandings } from '../store/standings.js';
import { userIsThere } from '../store/who-sql.js';
import { SessionsError } from './errors.js';
import { Families } from './families.js';
import { readTokens, readUserRows, type TokenRow } from './rows.js';
import { readStoredToken, type StoredNames, type StoredToken } from './stored-token.js';
import { tipsOf, type Tip, type Unwritten } from './unwritten.js';

/** A session of a user: whoever holds its newest token can refresh it. */
export interface Session {
  /** The row of its newest token. */
  readonly id: string;
  readonly kind: StoredToken['kind'];
  /** The earliest time at which it is known to have been there, in microseconds. */
  readonly sinceUs: number;
  /** When it was last refreshed; undefined: nothing tells of a refresh. */
  readonly refreshedUs: number | undefined;
  /** When its newest token can be presented no more, if it isn't refreshed until then (s). */
  readonly endSeconds: number;
  /** Its last rotation could not be written: its newest token has no row. */
  readonly deadLetter: boolean;
}

export interface UserSessions {
  /** The newest first, as many as were asked for. */
  readonly sessions: readonly Session[];
  /** How many there are. */
  readonly live: number;
  /** Tokens that are neither spent nor expired, and that no server would refresh. */
  readonly refused: Readonly<Partial<Record<BadStanding, number>>>;
  /** There are older rows, which were not looked at. */
  readonly cut: boolean;
  /** False: no index leads to a user's tokens, and their table was read from end to end. */
  readonly indexed: boolean;
}

export interface SessionRules {
  readonly names: StoredNames;
  readonly dates: RowDates;
  readonly leewaySeconds: number;
  /** Undefined: sessions last for as long as they are refreshed. */
  readonly sessionLifetimeSeconds: number | undefined;
  /** Sessions that are told of at most. */
  readonly limit: number;
}

/** Standings that are asked for in one statement. */
const PAGE = 1_000;

interface Candidate extends Tip {
  readonly stored: StoredToken | undefined;
  readonly startSeconds: number | undefined;
  readonly endSeconds: number;
}

/**
 * Whether there is such a user.
 *
 * @param userKey in canonical form
 * @returns false: nobody knows, for users are not checked
 * @throws SessionsError USER_NOT_FOUND
 */
export async function findUser(ask: Ask, { users }: TokenSchema, userKey: string): Promise<boolean> {
  if (users === undefined) return false;
  const [row] = await ask<{ found: boolean }>(`SELECT ${userIsThere(users, '$1::text')} AS found`, [userKey]);
  if (row?.found === true) return true;
  throw new SessionsError(
    'USER_NOT_FOUND',
    `No user has the ${users.columns.key} ${userKey} in ${users.name}. --user takes the id that tokens name ` +
      '(USER_ID_CLAIM), not a username. No token of a user who was deleted is refreshed while users are checked.',
  );
}

/**
 * The live sessions of a user, by the rows of their tokens. Reads only.
 *
 * @param ask statements of one transaction that sees one moment
 * @param userKey in canonical form
 * @param letters claims of this user that were answered and never written
 */
export async function liveSessions(
  ask: Ask,
  schema: TokenSchema,
  userKey: string,
  letters: readonly Unwritten[],
  rules: SessionRules,
): Promise<UserSessions> {
  const mayLive = rules.dates.extraSeconds + Math.ceil(rules.leewaySeconds);
  const { rows, cut, indexed, nowUs } = await readUserRows(ask, schema, userKey, mayLive);
  const families = new Families(rows);
  const tips = await tipsOf(ask, schema, rows, families, letters);
  const candidates = tips
    .map((tip) => candidateOf(tip, families, rules))
    .filter((one) => !isOver(one, rules, nowUs))
    .sort((a, b) => newest(b) - newest(a));
  const refused: Partial<Record<BadStanding, number>> = {};
  const live: Candidate[] = [];
  for (let at = 0; at < candidates.length; at += PAGE) {
    const page = candidates.slice(at, at + PAGE);
    const judged = page.map(({ stored, startSeconds }) => ({
      userKey,
      startSeconds,
      passwordHash: stored?.passwordHash,
    }));
    for (const [n, standing] of (await readStandings(ask, schema, judged)).entries()) {
      const one = page[n];
      // Claims of a view that fit no token keep them unspent, and their session alive.
      if (one !== undefined && (standing === 'good' || standing === 'claims_unfit')) live.push(one);
      else if (standing !== 'good' && standing !== 'claims_unfit')
        refused[standing] = (refused[standing] ?? 0) + 1;
    }
  }
  const told = live.slice(0, rules.limit);
  const firsts = told.map(({ row }) => families.first(row));
  const tokens = await readTokens(
    ask,
    schema,
    firsts.filter((first, n) => first !== told[n]?.row).map(({ id }) => id),
  );
  const sessions = told.map((one, n) => sessionOf(one, firsts[n] ?? one.row, tokens, families, rules));
  return { sessions, live: live.length, refused, cut, indexed };
}

function candidateOf(tip: Tip, families: Families, { names, dates }: SessionRules): Candidate {
  const { row, last } = tip;
  const stored = row.open && readStoredToken(row.open.token, names);
  const startSeconds = last?.startSeconds ?? stored?.startSeconds ?? secondsOf(row.createdUs);
  if (last !== undefined)
    return { ...tip, stored, startSeconds, endSeconds: last.successor.expiresAtSeconds };
  const rowEnd = secondsOf(row.expiresUs);
  const told = stored?.endSeconds ?? rowEnd;
  // Rows of a Django with USE_TZ = False are hours off, and say nothing of their tokens.
  const zoned = dates.zoneSeconds !== undefined || dates.marginSeconds > 0;
  if (zoned) return { ...tip, stored, startSeconds, endSeconds: told };
  // What was lengthened after `for_user` is known once it was presented; what we made says its end itself.
  const unseen = families.before(row) === undefined ? dates.extraSeconds : 0;
  return { ...tip, stored, startSeconds, endSeconds: Math.max(told, rowEnd) + unseen };
}

function isOver(
  { startSeconds, endSeconds }: Candidate,
  { leewaySeconds, sessionLifetimeSeconds }: SessionRules,
  nowUs: number,
): boolean {
  const end = keptEnd({ sessionLifetimeSeconds }, { expiresAtSeconds: endSeconds, startSeconds });
  return (end.seconds + (end.early ? 0 : leewaySeconds)) * 1_000_000 <= nowUs;
}

function sessionOf(
  { row, last, stored, startSeconds, endSeconds }: Candidate,
  first: TokenRow,
  tokens: ReadonlyMap<string, string>,
  families: Families,
  { names, sessionLifetimeSeconds }: SessionRules,
): Session {
  const token = tokens.get(first.id);
  const firstStored =
    first === row ? stored : token === undefined ? undefined : readStoredToken(token, names);
  const madeUs = madeAt(row, stored);
  const known = [madeUs, madeAt(first, firstStored)];
  for (const start of [startSeconds, firstStored?.startSeconds]) {
    // A token is dated in whole seconds, and its row within the second.
    if (start !== undefined && start < Math.floor(Math.min(...known) / 1_000_000))
      known.push(start * 1_000_000);
  }
  const sinceUs = Math.min(...known);
  const refreshed = families.before(row) !== undefined || sinceUs < madeUs;
  return {
    id: row.id,
    kind: stored?.kind ?? 'refresh',
    sinceUs,
    refreshedUs: last?.claimedAtUs ?? (refreshed ? madeUs : undefined),
    endSeconds: keptEnd({ sessionLifetimeSeconds }, { expiresAtSeconds: endSeconds, startSeconds }).seconds,
    deadLetter: last !== undefined,
  };
}

/** Another zone is at least a quarter of an hour off; a token waits seconds for its row. */
const SAME_MOMENT_US = 600_000_000;

/** When a token was made: its row's time, unless that is another zone's or there is none. */
function madeAt({ createdUs, expiresUs }: TokenRow, stored: StoredToken | undefined): number {
  const issuedUs = stored?.issuedAtSeconds === undefined ? undefined : stored.issuedAtSeconds * 1_000_000;
  if (createdUs === undefined) return issuedUs ?? expiresUs;
  return issuedUs !== undefined && Math.abs(createdUs - issuedUs) > SAME_MOMENT_US ? issuedUs : createdUs;
}

function newest({ row, last, stored }: Candidate): number {
  return last?.claimedAtUs ?? madeAt(row, stored);
}

function secondsOf(us: number): number;
function secondsOf(us: number | undefined): number | undefined;
function secondsOf(us: number | undefined): number | undefined {
  return us === undefined ? undefined : Math.floor(us / 1_000_000);
}

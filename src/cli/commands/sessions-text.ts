import type { SessionsOfUser } from '../../compose/sessions.js';
import { openTable } from '../tables.js';

type Session = SessionsOfUser['sessions'][number];

/** What is said of tokens that are refused, by their standing. */
const REFUSED = {
  gone: 'there is no such user any more',
  inactive: 'the user is not active',
  revoked: 'they were revoked with all of the user, or of everybody',
  password_changed: 'the password was changed since',
} as const;

/** What --json prints. */
export function sessionsDocument({ userKey, known, sessions, live, refused, cut }: SessionsOfUser): object {
  return {
    user: userKey,
    user_checked: known,
    live,
    sessions: sessions.map(({ id, kind, sinceUs, refreshedUs, endSeconds, deadLetter }) => ({
      id,
      kind,
      since: isoTime(sinceUs / 1000),
      last_refresh: refreshedUs === undefined ? null : isoTime(refreshedUs / 1000),
      expires: isoTime(endSeconds * 1000),
      dead_letter: deadLetter,
    })),
    refused,
    cut,
  };
}

/** The same for a person. */
export function sessionsLines({ userKey, sessions, live, refused }: SessionsOfUser): string[] {
  const count = `${live === 0 ? 'no' : figure(live)} live ${live === 1 ? 'session' : 'sessions'}`;
  const shown =
    sessions.length < live ? `, of which these are the newest ${figure(sessions.length)} (--limit)` : '';
  const refusals = refusedLines(refused, live > 0 ? ' more' : '');
  if (sessions.length === 0) return [`User ${userKey}: ${count}.`, ...refusals];
  return [
    `User ${userKey}: ${count}${shown}.`,
    '',
    ...tableLines(sessions),
    '',
    ...(sessions.some(({ deadLetter }) => deadLetter) ? [DEAD_LETTER] : []),
    ...refusals,
    'To end one: carelink-tokens revoke --session ID',
    `To end all: carelink-tokens revoke --user ${userKey}`,
  ];
}

const DEAD_LETTER =
  '* The last rotation could not be written (carelink-tokens dead-letters). Until it is, only revoke --user ends the session.';

function tableLines(sessions: readonly Session[]): string[] {
  const sliding = sessions.some(({ kind }) => kind === 'sliding');
  const head = ['session', 'since (UTC)', 'refreshed (UTC)', 'expires (UTC)', ...(sliding ? ['token'] : [])];
  const rows = openTable(head, [0]);
  for (const { id, kind, sinceUs, refreshedUs, endSeconds, deadLetter } of sessions) {
    rows.push([
      deadLetter ? `* ${id}` : id,
      readable(sinceUs / 1000),
      refreshedUs === undefined ? '-' : readable(refreshedUs / 1000),
      readable(endSeconds * 1000),
      ...(sliding ? [kind] : []),
    ]);
  }
  return rows
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

function refusedLines(refused: SessionsOfUser['refused'], more: string): string[] {
  return Object.entries(refused).map(([standing, count]) => {
    const tokens = count === 1 ? `1${more} token is` : `${figure(count)}${more} tokens are`;
    return `${tokens} not spent, and would be refused: ${REFUSED[standing as keyof typeof REFUSED]}.`;
  });
}

/** The last millisecond that a Date holds; a token may say any end. */
const LAST_MS = 8_640_000_000_000_000;

function isoTime(ms: number): string {
  return new Date(Math.min(ms, LAST_MS)).toISOString();
}

function readable(ms: number): string {
  return isoTime(ms)
    .replace(/\.\d+Z$/, '')
    .replace('T', ' ');
}

function figure(value: number): string {
  return value.toLocaleString('en-US');
}

/** Where `--cookie-style dj-rest-auth` means to answer otherwise than dj-rest-auth, and why. Elsewhere a difference is a bug. */
import { BLACKLIST, REFRESH } from '../matrix/case.js';
import type { CookieReply } from './normal.js';
import type { CookieReplies } from './record.js';
import type { CookieSite } from './sites.js';

interface Departure {
  readonly why: string;
  readonly at: string;
  readonly names: readonly string[];
  /** Where scripts may read the cookies, or where they may not; both, where nothing is said. */
  readonly httpOnly?: boolean;
  readonly answer: (theirs: CookieReply, site: CookieReplies[string]) => CookieReply;
}

const CHALLENGE = { 'www-authenticate': 'Bearer realm="api"' };

/** What simplejwt says of the token, and dj-rest-auth's log-out leaves out. */
const coded = (reply: CookieReply, detail?: string): CookieReply => ({
  ...reply,
  status: 401,
  body: { detail: detail ?? (reply.body as { detail: string }).detail, code: 'token_not_valid' },
  headers: { ...reply.headers, ...CHALLENGE },
});

const done = (_: CookieReply, site: CookieReplies[string]): CookieReply =>
  site[`${BLACKLIST} the cookie, no body`]!.status === 200
    ? site[`${BLACKLIST} the cookie, no body`]!
    : site[`${BLACKLIST} a body, no cookie`]!;

const INVALID = 'Token is invalid or expired';

const DEPARTURES: readonly Departure[] = [
  {
    why: 'simplejwt 5.2 does not look at the user when it refreshes.',
    at: REFRESH,
    names: ['the cookie of an inactive user'],
    answer: ({ headers }) => ({
      status: 401,
      body: { detail: 'No active account found for the given token.' },
      headers: { ...headers, ...CHALLENGE },
      cookies: [],
    }),
  },
  {
    why: "Blanks around a token are no part of it, as simplejwt has it; dj-rest-auth takes the body's text as it came.",
    at: REFRESH,
    names: ['a body with blanks around the token'],
    answer: (_, site) => site[`${REFRESH} a body, no cookie`]!,
  },
  {
    why: 'A log-out says what was wrong with a token in the same body as a refresh does.',
    at: BLACKLIST,
    names: [
      'an empty cookie',
      'a cookie that is no token',
      'a cookie with another signature',
      'a cookie that has expired',
      'a cookie that was logged out',
      'an access token in the cookie',
      'a body and a cookie that is no token',
    ],
    httpOnly: true,
    answer: (theirs) => coded(theirs),
  },
  {
    why: "Without a cookie the body's token is logged out: more than is asked there, where cookies are HttpOnly.",
    at: BLACKLIST,
    names: ['a body, no cookie'],
    httpOnly: true,
    answer: done,
  },
  {
    why: 'As above, or with the code of a refresh.',
    at: BLACKLIST,
    names: ['a body that is no token, no cookie'],
    answer: (theirs) => coded(theirs, INVALID),
  },
  {
    why: "Without a body's token the browser's cookie is logged out; there, where scripts may read cookies, only a body's.",
    at: BLACKLIST,
    names: [
      'the cookie, no body',
      'the cookie, an empty object',
      'the cookie, an empty form',
      'the cookie, another field',
      'the cookie among others',
      'the cookie twice',
      'the cookie in quotes',
      'a cookie without a row',
    ],
    httpOnly: false,
    answer: done,
  },
  ...(
    [
      ['an empty cookie', INVALID],
      ['a cookie that is no token', INVALID],
      ['a cookie with another signature', INVALID],
      ['a cookie that has expired', INVALID],
      ['a cookie that was logged out', 'Token is blacklisted'],
      ['an access token in the cookie', 'Token has wrong type'],
      ['a cookie and a body that is no token', INVALID],
    ] as const
  ).map(([name, detail]): Departure => ({
    why: 'As above, and with the code of a refresh.',
    at: BLACKLIST,
    names: [name],
    httpOnly: false,
    answer: (theirs) => coded(theirs, detail),
  })),
  {
    why: 'Whoever wants out is out: the cookies go, whatever was wrong with the request.',
    at: BLACKLIST,
    names: ['a cookie and JSON that breaks off'],
    httpOnly: false,
    answer: (theirs, site) => ({ ...theirs, cookies: done(theirs, site).cookies }),
  },
  {
    why: 'There is no log-out by GET, which any image could ask for (ACCOUNT_LOGOUT_ON_GET).',
    at: BLACKLIST,
    names: ['GET with the cookie'],
    answer: (theirs) => ({ ...theirs, headers: { ...theirs.headers, allow: 'POST, OPTIONS' } }),
  },
];

const isHttpOnly = ({ settings }: CookieSite): boolean => settings['JWT_AUTH_HTTPONLY'] !== false;

/** What ours answers to a case, where that is meant to be something else. */
export function departureOf(site: CookieSite, name: string, record: CookieReplies): CookieReply | undefined {
  const found = DEPARTURES.find(
    ({ at, names, httpOnly }) =>
      names.some((one) => `${at} ${one}` === name) && (httpOnly ?? isHttpOnly(site)) === isHttpOnly(site),
  );
  const replies = record[site.name]!;
  return found?.answer(replies[name]!, replies);
}

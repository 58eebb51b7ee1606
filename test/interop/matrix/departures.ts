/** Where carelink-tokens means to answer otherwise than simplejwt, and why. Elsewhere a difference is a bug. */
import { BLACKLIST, REFRESH, SLIDING, VERIFY, type Asked, type Compat } from './case.js';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface Departure {
  readonly why: string;
  readonly at: readonly string[];
  readonly names: readonly string[];
  /** Both, where nothing is said. */
  readonly compat?: Compat;
  /** The head of simplejwt answers as we do. */
  readonly headAgrees?: true;
  readonly answer: (compat: Compat) => Answer;
}

const refused = (detail: string): Answer => ({
  status: 401,
  body: { detail, code: 'token_not_valid' },
});
export const invalid = (compat: Compat): Answer =>
  refused(compat === '5.2' ? 'Token is invalid or expired' : 'Token is invalid');
const noActiveAccount = (): Answer => ({
  status: 401,
  body: { detail: 'No active account found for the given token.' },
});

const IMPOSSIBLE_JTI = 'No row can bear such a jti, so nobody could ever log such a token out.';
const IMPOSSIBLE_USER = 'Such a user id fits no row of the user table: the token is of no user here.';
const NO_CHECK =
  'simplejwt 5.2 does not look at the user when it refreshes; nor does any release up to 5.5 when it slides.';

const DEPARTURES: readonly Departure[] = [
  {
    why: IMPOSSIBLE_JTI,
    at: [REFRESH, VERIFY, BLACKLIST],
    names: ['a jti that is a number', 'a jti that is a list', 'an empty jti'],
    answer: invalid,
  },
  {
    why: IMPOSSIBLE_JTI,
    at: [VERIFY],
    names: ['a jti of null', 'a jti of 256 characters', 'a jti of 300 characters outside ASCII'],
    answer: invalid,
  },
  { why: IMPOSSIBLE_JTI, at: [SLIDING], names: ['a jti of 256 characters'], answer: invalid },
  {
    why: 'simplejwt answers 500 to it, save at verify/, where it says what is missing. So do we, everywhere.',
    at: [REFRESH, BLACKLIST, SLIDING],
    names: ['no jti'],
    answer: () => refused('Token has no id'),
  },
  {
    why: 'simplejwt answers 500 to it, save at verify/, where it says what is missing. So do we, everywhere.',
    at: [REFRESH, BLACKLIST],
    names: ['an empty object for a payload'],
    answer: () => refused("Token has no 'exp' claim"),
  },
  {
    why: 'A date is a number within the years 1 to 9999. What is none did not expire.',
    at: [REFRESH, VERIFY, BLACKLIST],
    names: ['exp is true', 'exp before the year 1'],
    compat: '5.5',
    answer: invalid,
  },
  {
    why: "Python's base64 skips letters outside its alphabet; RFC 7515 has no such letters in a signature.",
    at: [REFRESH, VERIFY, BLACKLIST],
    names: ['a letter outside ASCII after a good token'],
    answer: invalid,
  },
  {
    why: 'What a token says of itself is read before the database is asked about it; simplejwt asks first.',
    at: [REFRESH, BLACKLIST],
    names: ['blacklisted and of another type', 'a blacklisted sliding token'],
    answer: () => refused('Token has wrong type'),
  },
  {
    why: 'As above.',
    at: [REFRESH, BLACKLIST],
    names: ['blacklisted and of no type'],
    answer: () => refused('Token has no type'),
  },
  {
    why: 'As above.',
    at: [SLIDING],
    names: ['blacklisted, and of another type'],
    answer: () => refused('Token has wrong type'),
  },
  {
    why: IMPOSSIBLE_USER,
    at: [REFRESH, VERIFY, BLACKLIST],
    names: [
      'user id is text that is no number',
      'user id is over the range of integer',
      'user id is over the range of bigint',
      'user id is over 2^53, and unknown',
      'user id is huge',
      'user id is a float',
      'user id is true',
      'user id is a list',
      'user id is an object',
      'user id is text with a NUL',
    ],
    answer: invalid,
  },
  { why: NO_CHECK, at: [REFRESH], names: ['an inactive user'], compat: '5.2', answer: noActiveAccount },
  {
    why: 'simplejwt 5.2 does not look at the user, and 5.5 answers 500 where there is none.',
    at: [REFRESH],
    names: ['a user who is no more', 'user id is negative'],
    headAgrees: true,
    answer: noActiveAccount,
  },
  {
    why: NO_CHECK,
    at: [SLIDING],
    names: ['an inactive user', 'a user who is no more'],
    headAgrees: true,
    answer: noActiveAccount,
  },
];

/** What is answered instead, by the name of the case: its path and what is odd about it. */
export function departures(asked: Asked): ReadonlyMap<string, Answer> {
  const compat = asked === 'head' ? '5.5' : asked;
  const of = DEPARTURES.filter(
    (departure) =>
      (departure.compat ?? compat) === compat && !(asked === 'head' && departure.headAgrees === true),
  );
  return new Map(
    of.flatMap(({ at, names, answer }) =>
      at.flatMap((path) => names.map((name) => [`${path} ${name}`, answer(compat)] as const)),
    ),
  );
}

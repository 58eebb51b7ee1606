/** Where carelink-tokens means to answer otherwise than simplejwt, and why. Elsewhere a difference is a bug. */
import { BLACKLIST, REFRESH, SLIDING, VERIFY, type Asked, type Compat } from './case.js';
import { FIRST, type Site } from './sites.js';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface Departure {
  readonly why: string;
  readonly at: readonly string[];
  readonly names: readonly string[];
  /** Which simplejwt answers otherwise: all of them, where nothing is said. */
  readonly from?: readonly Asked[];
  /** Only at sites with the blacklist app, or without it; with CHECK_REVOKE_TOKEN, or without. */
  readonly app?: boolean;
  readonly check?: boolean;
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

/** Its head answers as we do. */
const RELEASED: readonly Asked[] = ['5.2', '5.5'];

const changed = (): Answer => ({ status: 401, body: { detail: "The user's password has been changed." } });
const HASHES = ['changed', 'absent', 'null', 'a number', 'small letters'].map((given) => `hash ${given}`);
const AGAIN = HASHES.map((name) => `${name}, the second time`);
const NOT_COMPARED =
  'Up to 5.5.1 only the API compares the password: the client would refresh, be refused there, and again.';

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
    app: true,
    answer: () => refused('Token has no id'),
  },
  {
    why: 'simplejwt answers 500 to it, save at verify/, where it says what is missing. So do we, everywhere.',
    at: [REFRESH, BLACKLIST],
    names: ['an empty object for a payload'],
    app: true,
    answer: () => refused("Token has no 'exp' claim"),
  },
  {
    why: 'A date is a number within the years 1 to 9999. What is none did not expire.',
    at: [REFRESH, VERIFY, BLACKLIST],
    names: ['exp is true', 'exp before the year 1'],
    from: ['5.5', 'head'],
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
    app: true,
    answer: () => refused('Token has wrong type'),
  },
  {
    why: 'As above.',
    at: [REFRESH, BLACKLIST],
    names: ['blacklisted and of no type'],
    app: true,
    answer: () => refused('Token has no type'),
  },
  {
    why: 'As above.',
    at: [SLIDING],
    names: ['blacklisted, and of another type'],
    app: true,
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
  { why: NO_CHECK, at: [REFRESH], names: ['an inactive user'], from: ['5.2'], answer: noActiveAccount },
  {
    why: 'simplejwt 5.2 does not look at the user, and 5.5 answers 500 where there is none.',
    at: [REFRESH],
    names: ['a user who is no more', 'user id is negative'],
    from: RELEASED,
    answer: noActiveAccount,
  },
  {
    why: NO_CHECK,
    at: [SLIDING],
    names: ['an inactive user', 'a user who is no more'],
    from: RELEASED,
    answer: noActiveAccount,
  },
  {
    why: 'Without the app simplejwt never looks for the row. Here such a jti is refused at every site alike.',
    at: [REFRESH, BLACKLIST],
    names: ['a jti of null', 'a jti of 256 characters', 'a jti of 300 characters outside ASCII'],
    app: false,
    answer: invalid,
  },
  {
    why: 'As above; with the app simplejwt answers 500 to it.',
    at: [REFRESH, VERIFY, BLACKLIST],
    names: ['a jti with a NUL', 'a jti with half a surrogate pair'],
    app: false,
    answer: invalid,
  },
  {
    why: NOT_COMPARED,
    at: [REFRESH, SLIDING],
    names: [...HASHES, ...AGAIN],
    from: RELEASED,
    check: true,
    answer: changed,
  },
  {
    why: `${NOT_COMPARED} These are good tokens without the claim.`,
    at: [REFRESH],
    names: [
      'a kid that is a number',
      'typ missing in the header',
      'typ of another kind',
      'a token of 6,000 characters',
      'an unknown header',
      'user id is text of the number',
    ],
    from: RELEASED,
    check: true,
    answer: changed,
  },
  {
    why: `${NOT_COMPARED} These have no claim; the head compares before it looks at refresh_exp, and so do we.`,
    at: [SLIDING],
    names: [
      'a good token without a row',
      ...[
        ...['a float', 'missing', 'past', 'this second', 'true', '0', 'negative'],
        ...['null', 'text', 'text of a number', 'after the year 9999', 'huge', 'infinite'],
      ].map((value) => `refresh_exp is ${value}`),
    ],
    from: RELEASED,
    check: true,
    answer: changed,
  },
  {
    why: 'Its head blacklists a token whose password has changed. Here nothing is written: decisions/0027.',
    at: [REFRESH, SLIDING],
    names: AGAIN,
    from: ['head'],
    app: true,
    check: true,
    answer: changed,
  },
  {
    why: NO_CHECK,
    at: [REFRESH],
    names: ['hash changed, of an inactive user'],
    from: ['5.2'],
    check: true,
    answer: noActiveAccount,
  },
  {
    why: NO_CHECK,
    at: [SLIDING],
    names: ['hash changed, of an inactive user'],
    from: RELEASED,
    check: true,
    answer: noActiveAccount,
  },
];

/** What is answered instead, by the name of the case: its path and what is odd about it. */
export function departures(asked: Asked, site: Site = FIRST): ReadonlyMap<string, Answer> {
  const compat = asked === 'head' ? '5.5' : asked;
  const of = DEPARTURES.filter(
    ({ from, app, check }) =>
      (from?.includes(asked) ?? true) &&
      (app ?? site.app) === site.app &&
      (check ?? site.check) === site.check,
  );
  return new Map(
    of.flatMap(({ at, names, answer }) =>
      at.flatMap((path) => names.map((name) => [`${path} ${name}`, answer(compat)] as const)),
    ),
  );
}

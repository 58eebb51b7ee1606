/** Sliding tokens at their own endpoint. */
import { SLIDING, token, VERIFY, type Case } from './case.js';
import { HS256, nowSeconds, payloadText, signText } from './world.js';

const sliding = (literals: Readonly<Record<string, string | undefined>>) => () =>
  signText(
    HS256,
    payloadText({ token_type: '"sliding"', refresh_exp: String(nowSeconds() + 43_200), ...literals }),
  );

const refreshExps: readonly [string, string | undefined][] = [
  ['missing', undefined],
  ['past', String(nowSeconds() - 10)],
  ['this second', String(nowSeconds())],
  ['null', 'null'],
  ['text', '"soon"'],
  ['text of a number', '"4102444800"'],
  ['true', 'true'],
  ['0', '0'],
  ['negative', '-1'],
  ['after the year 9999', '253402300800'],
  ['huge', '1e20'],
  ['infinite', '1e999'],
];

export const slidingCases: readonly Case[] = [
  token(SLIDING, 'a good token', (world) => world.sliding()),
  token(SLIDING, 'a good token without a row', sliding({})),
  token(SLIDING, 'a token with claims of the project', (world) =>
    world.sliding({ claims: { ward: 'B4', nested: { a: [1, null] } } }),
  ),
  token(SLIDING, 'a token that outlives its refresh_exp', (world) =>
    world.sliding({ claims: { refresh_exp: nowSeconds() + 60 } }),
  ),
  ...refreshExps.map(([name, literal]) =>
    token(SLIDING, `refresh_exp is ${name}`, sliding({ refresh_exp: literal })),
  ),
  // By the clock of its request: this one is let in, and its answer has the claim.
  token(SLIDING, 'refresh_exp is a float', () => sliding({ refresh_exp: String(nowSeconds() + 3600.5) })()),
  token(SLIDING, 'exp is past, refresh_exp is not', sliding({ exp: String(nowSeconds() - 10) })),
  token(SLIDING, 'no exp', sliding({ exp: undefined })),
  token(SLIDING, 'no jti', sliding({ jti: undefined })),
  token(SLIDING, 'no token type', sliding({ token_type: undefined })),
  token(SLIDING, 'another key', () => signText(HS256, payloadText({}), 'sha256', 'another')),
  token(SLIDING, 'a refresh token', (world) => world.refresh()),
  token(SLIDING, 'an access token', (world) => world.access()),
  token(SLIDING, 'blacklisted', (world) => world.blacklisted({ tokenType: 'sliding' })),
  token(SLIDING, 'blacklisted, and of another type', (world) => world.blacklisted()),
  token(SLIDING, 'a jti of 256 characters', sliding({ jti: `"${'j'.repeat(256)}"` })),
  token(SLIDING, 'an inactive user', (world) => world.sliding({ userId: world.inactiveUser })),
  token(SLIDING, 'a user who is no more', sliding({ user_id: '999999' })),
  token(SLIDING, 'no user id', sliding({ user_id: undefined })),
  token(VERIFY, 'a sliding token past its refresh_exp', (world) =>
    world.sliding({ claims: { refresh_exp: nowSeconds() - 10 } }),
  ),
];

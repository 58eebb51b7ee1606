/** Tokens that are good, and tokens that are wrong in one thing each. */
import { TEST_SIGNING_KEY } from '../../support/tokens.js';
import { BLACKLIST, REFRESH, token, VERIFY, type Case } from './case.js';
import { base64url, HS256, nowSeconds, payloadText, signText } from './world.js';

/** The claims of a token, as JSON would have them, one of them unusual; undefined leaves it out. */
const claims: readonly [string, Readonly<Record<string, string | undefined>>][] = [
  ['no jti', { jti: undefined }],
  ['a jti of null', { jti: 'null' }],
  ['a jti that is a number', { jti: String(Math.floor(Math.random() * 1e12)) }],
  ['a jti that is a list', { jti: '["a"]' }],
  ['an empty jti', { jti: '""' }],
  ['a jti of 256 characters', { jti: `"${'j'.repeat(256)}"` }],
  ['a jti of 300 characters outside ASCII', { jti: `"${'ü'.repeat(300)}"` }],
  ['a jti with a NUL', { jti: '"a\\u0000b"' }],
  ['a jti with half a surrogate pair', { jti: '"\\ud800"' }],
  ['no token type', { token_type: undefined }],
  ['a token type of null', { token_type: 'null' }],
  ['a token type that is a number', { token_type: '1' }],
  ['a token type in capitals', { token_type: '"REFRESH"' }],
  ['no exp', { exp: undefined }],
  ['exp is null', { exp: 'null' }],
  ['exp is text', { exp: '"soon"' }],
  ['exp is true', { exp: 'true' }],
  ['exp is a list', { exp: '[4102444800]' }],
  ['exp is text of a number', { exp: '"4102444800"' }],
  ['exp is 0', { exp: '0' }],
  ['exp is negative', { exp: '-1' }],
  ['exp before the year 1', { exp: '-99999999999' }],
  ['exp after the year 9999', { exp: '253402300800' }],
  ['exp is huge', { exp: '1e20' }],
  ['exp is infinite', { exp: '1e999' }],
  ['exp is NaN', { exp: 'NaN' }],
  ['exp was a second ago', { exp: String(nowSeconds() - 1) }],
  ['iat is in the future', { iat: String(nowSeconds() + 3600) }],
  ['iat is text', { iat: '"then"' }],
  ['iat is null', { iat: 'null' }],
  ['nbf is in the future', { nbf: String(nowSeconds() + 3600) }],
  ['nbf is text', { nbf: '"then"' }],
];

/** The envelope of a token: header, signature and segments. Made anew for each side, since some may be accepted. */
function envelopes(): readonly [name: string, value: string][] {
  const good = signText(HS256, payloadText({}));
  const [header, payload, signature] = good.split('.') as [string, string, string];
  const rest = (alg: string) => signText(`{"alg":${alg},"typ":"JWT"}`, payloadText({}));
  const evil = base64url(payloadText({ user_id: '2' }));
  return [
    ['text', 'not a token'],
    ['two segments', `${header}.${payload}`],
    ['four segments', `${good}.x`],
    ['no segments, dots only', '..'],
    ['an empty signature', `${header}.${payload}.`],
    ['half of its signature', `${header}.${payload}.${signature.slice(0, 20)}`],
    ['another key', signText(HS256, payloadText({}), 'sha256', `${TEST_SIGNING_KEY}!`)],
    ['an empty key', signText(HS256, payloadText({}), 'sha256', '')],
    ['a payload that was tampered with', `${header}.${evil}.${signature}`],
    ['alg none, unsigned', `${base64url('{"alg":"none","typ":"JWT"}')}.${payload}.`],
    ['alg None, unsigned', `${base64url('{"alg":"None","typ":"JWT"}')}.${payload}.`],
    ['alg none, signed', rest('"none"')],
    ['alg HS512, right key', signText('{"alg":"HS512","typ":"JWT"}', payloadText({}), 'sha512')],
    ['alg HS512, but signed with SHA-256', rest('"HS512"')],
    ['alg RS256', rest('"RS256"')],
    ['an unknown alg', rest('"XX999"')],
    ['alg in small letters', rest('"hs256"')],
    ['alg null', rest('null')],
    ['alg a list', rest('["HS256"]')],
    ['no alg', signText('{"typ":"JWT"}', payloadText({}))],
    ['a header that is a list', signText('["HS256"]', payloadText({}))],
    ['a header that is no JSON', signText('x', payloadText({}))],
    ['an empty header', signText('', payloadText({}))],
    ['a kid that is a number', signText('{"alg":"HS256","typ":"JWT","kid":7}', payloadText({}))],
    ['a payload that is a list', signText(HS256, '[1]')],
    ['a payload that is a string', signText(HS256, '"x"')],
    ['a payload that is null', signText(HS256, 'null')],
    ['a payload that is no JSON', signText(HS256, 'x')],
    ['an empty payload', signText(HS256, '')],
    ['an empty object for a payload', signText(HS256, '{}')],
    ['a payload that is no UTF-8', signText(HS256, Buffer.from('{"a":"\xff"}', 'latin1'))],
    ['letters outside ASCII', 'klüç.ключ.鍵'],
    ['half a surrogate pair', '\ud800'],
    ['an emoji', '🔑.🔑.🔑'],
    ['a letter outside ASCII after a good token', `${good}é`],
    ['a blank inside', `${header}. ${payload}.${signature}`],
    ['a line break inside', `${header}.\n${payload}.${signature}`],
    ['6,000 characters of nothing', 'x'.repeat(6_000)],
    ['6,000 dots', '.'.repeat(6_000)],
  ];
}

/** Claims and envelopes are judged before anything is looked up, the same at each endpoint. */
const refused = [REFRESH, VERIFY, BLACKLIST].flatMap((path) => [
  ...claims.map(([name, literals]) => token(path, name, () => signText(HS256, payloadText(literals)))),
  ...envelopes().map(([name], n) => token(path, name, () => envelopes()[n]![1])),
  token(path, 'expired an hour ago', (world) =>
    world.refresh({ iatSeconds: nowSeconds() - 7_200, lifetimeSeconds: 3_600 }),
  ),
  token(path, 'expired and blacklisted', (world) =>
    world.blacklisted({ iatSeconds: nowSeconds() - 7_200, lifetimeSeconds: 3_600 }),
  ),
  token(path, 'blacklisted', (world) => world.blacklisted()),
  token(path, 'blacklisted and of no type', (world) =>
    world.blacklisted({ claims: { token_type: undefined } }),
  ),
  token(path, 'blacklisted and of another type', (world) => world.blacklisted({ tokenType: 'access' })),
  token(path, 'a blacklisted sliding token', (world) => world.blacklisted({ tokenType: 'sliding' })),
]);

const accepted = [REFRESH, VERIFY, BLACKLIST].flatMap((path) => [
  token(path, 'a good token', (world) => world.refresh()),
  token(path, 'a good token without a row', (world) => world.unrecorded()),
  token(path, 'an access token', (world) => world.access()),
  token(path, 'a sliding token', (world) => world.sliding()),
  token(path, 'a token with claims of the project', (world) =>
    world.refresh({
      claims: { ward: 'B4', roles: ['nurse', 'night'], nested: { a: null, b: 1.5 }, ключ: 'é🔑' },
    }),
  ),
  token(path, 'a token for an audience nobody asked for', (world) =>
    world.refresh({ claims: { aud: 'x', iss: 'y', sub: '1' } }),
  ),
  token(path, 'a jti of 255 characters', (world) =>
    world.refresh({ jti: 'j'.repeat(249) + String(counter++) }),
  ),
  token(path, 'a jti outside ASCII', (world) => world.refresh({ jti: `ключ-${String(counter++)}` })),
  token(path, 'exp is a float', (world) => world.refresh({ claims: { exp: nowSeconds() + 3_600.75 } })),
  token(path, 'no iat', (world) => world.refresh({ claims: { iat: undefined } })),
  token(path, 'iat is a float', (world) => world.refresh({ claims: { iat: nowSeconds() - 10.5 } })),
  token(path, 'nbf is past', (world) => world.refresh({ claims: { nbf: nowSeconds() - 10 } })),
  token(path, 'the jti claim before the others', (world) => world.refresh({ claims: { z: 1, a: 2 } })),
  token(path, 'typ missing in the header', () => signText('{"alg":"HS256"}', payloadText({}))),
  token(path, 'typ of another kind', () => signText('{"alg":"HS256","typ":"at+jwt"}', payloadText({}))),
  token(path, 'a token of 6,000 characters', () =>
    signText(HS256, payloadText({ a: `"${'x'.repeat(4_300)}"` })),
  ),
  token(path, 'an unknown header', () => signText('{"alg":"HS256","typ":"JWT","x":1}', payloadText({}))),
]);

/** Makes long jtis unique: six digits. */
let counter = 100_000;

export const tokenCases: readonly Case[] = [...refused, ...accepted];

/** What two answers differ in, and what mends it. The settings one by one are in test/system/shadow-settings.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Answer, OurAnswer } from '../../../src/shadow/answer.js';
import { compare } from '../../../src/shadow/compare.js';
import { redacted, shapeOf } from '../../../src/shadow/redact.js';
import { answer, NOW, ourGrant, ourRefusal, refusal, REQUEST, RULES, token } from './rules.js';

const codes = (django: Answer, ours: OurAnswer, rules = RULES, request = REQUEST) =>
  compare(django, ours, rules, request).map(({ code, mend, rests }) => [code, mend, rests]);

const claims = { token_type: 'access', exp: NOW + 900, iat: NOW, jti: 'a', user_id: 1 };
const granted = (more: object = {}, alg?: string) =>
  answer(200, { access: token({ ...claims, ...more }, alg) });
const grantedHere = (more: object = {}) => ourGrant({ access: token({ ...claims, jti: 'b', ...more }) });

describe('answers that are the same', () => {
  it('a refusal with our sentence beside it', () => {
    expect(codes(refusal('blacklisted'), ourRefusal('blacklisted'))).toEqual([]);
  });
  it('tokens with other ids and times', () => {
    expect(codes(granted(), grantedHere({ iat: NOW + 1, exp: NOW + 901 }))).toEqual([]);
  });
  it("an access token with its refresh token's iat, as simplejwt 5.2 makes it", () => {
    expect(codes(granted({ iat: NOW - 4_000 }), grantedHere())).toEqual([]);
  });
  it("a life that is counted on Django's clock, which is an hour off", () => {
    const date = new Date((NOW + 3_600) * 1000).toUTCString();
    const django = { ...granted({ exp: NOW + 4_500, iat: NOW + 3_600 }), headers: new Map([['date', date]]) };
    expect(codes(django, grantedHere())).toEqual([]);
  });
  it('our own claims', () => {
    expect(codes(granted(), grantedHere({ carelink_start: NOW }))).toEqual([]);
  });
  it("a parser's own words of broken JSON", () => {
    const theirs = answer(400, { detail: 'JSON parse error - Expecting value: line 1 column 1 (char 0)' });
    const ours: OurAnswer = {
      ...answer(400, { detail: 'JSON parse error - something', error: 'x' }),
      outcome: 'bad_request',
      token: undefined,
    };
    expect(codes(theirs, ours)).toEqual([]);
  });
});

describe('answers that differ', () => {
  const rows: [string, () => unknown[], unknown[]][] = [
    ['a life', () => codes(granted({ exp: NOW + 300 }), grantedHere()), ['access_lifetime', '--access-lifetime 5m', undefined]],
    ['an algorithm', () => codes(granted({}, 'HS512'), grantedHere()), ['algorithm', '--algorithm HS512', undefined]],
    ['an issuer that is not looked at', () => codes(granted({ iss: 'https://idp.example.org' }), grantedHere({ iss: 'https://idp.example.org' })), ['issuer', '--issuer https://idp.example.org', undefined]],
    ['a claim', () => codes(granted({ role: 'nurse' }), grantedHere()), ['claims', undefined, undefined]],
    ['a claim that comes of the user', () => codes(granted({ role: 'nurse' }), grantedHere(), { ...RULES, hasFreshClaims: true }), ['claims', undefined, 'user']],
    ['a refresh token', () => codes(answer(200, { access: token(claims), refresh: token(claims) }), grantedHere()), ['rotation', '--rotation on', undefined]],
    ['a member', () => codes(answer(200, { access: token(claims), access_expiration: 'x' }), grantedHere()), ['body', undefined, undefined]],
    ['a language', () => codes(answer(401, { detail: 'Token ist gesperrt', code: 'token_not_valid' }), ourRefusal('blacklisted')), ['wording', undefined, undefined]],
    ['a release', () => codes(answer(401, { detail: 'Token is invalid or expired', code: 'token_not_valid' }), ourRefusal('invalid')), ['simplejwt_compat', '--simplejwt-compat 5.2', undefined]],
    ['a rate', () => codes(answer(429, { detail: 'Request was throttled.' }), grantedHere()), ['throttle', undefined, undefined]],
    ['no endpoint', () => codes(answer(404, undefined), grantedHere()), ['endpoint_path', undefined, undefined]],
    ['a middleware', () => codes(answer(403, undefined), grantedHere()), ['in_front', undefined, undefined]],
    ['a challenge', () => codes({ ...refusal('blacklisted'), headers: new Map() }, ourRefusal('blacklisted')), ['challenge', undefined, undefined]],
    ['a blacklist that Django does not look at', () => codes(granted(), ourRefusal('blacklisted')), ['blacklisted_accepted', undefined, 'blacklist']],
    ['a blacklist that is not seen here', () => codes(refusal('blacklisted'), grantedHere()), ['blacklist_unseen', undefined, 'blacklist']],
    ['a user', () => codes(refusal('inactive'), grantedHere()), ['user_accepted', undefined, 'user']],
  ]; // prettier-ignore
  it.each(rows)('%s', (_, found, expected) => {
    expect(found()).toEqual([expected]);
  });

  it('an expired token: of the leeway, unless either clock may be right', () => {
    const expired = (seconds: number) => ourRefusal('expired', token({ ...claims, exp: NOW - seconds }));
    expect(codes(granted(), expired(30))).toEqual([
      ['leeway', '--leeway: it must be LEEWAY, and is no less than 30s', undefined],
    ]);
    expect(codes(granted(), expired(1))[0]).toMatchObject(['leeway', expect.anything(), 'clock']);
  });

  it('the origin of a page', () => {
    const request = { ...REQUEST, origin: 'https://app.example.org' };
    const django = answer(200, {}, { 'access-control-allow-origin': 'https://app.example.org' });
    expect(codes(django, ourGrant(), RULES, request)).toEqual([
      ['cors_origin', '--cors-origin https://app.example.org', undefined],
    ]);
  });

  it('a header that a page may send', () => {
    const allowed = (headers: string) => ({
      'access-control-allow-origin': 'https://app.example.org',
      'access-control-allow-headers': headers,
    });
    const request = {
      ...REQUEST, method: 'OPTIONS', isPreflight: true, origin: 'https://app.example.org', requestHeaders: ['x-tenant'],
    }; // prettier-ignore
    const ours: OurAnswer = {
      ...answer(204, undefined, allowed('accept')),
      outcome: 'valid',
      token: undefined,
    };
    expect(codes(answer(200, undefined, allowed('accept, X-Tenant')), ours, RULES, request)).toEqual([
      ['cors_header', '--cors-header x-tenant', undefined],
    ]);
  });

  it('cookies, by name and attributes', () => {
    const rules = { ...RULES, cookies: { access: undefined, refresh: 'r' } };
    const cookie = (text: string): Answer => ({ ...granted(), cookies: [text] });
    const ours: OurAnswer = { ...grantedHere(), cookies: [`r=${token(claims)}; Path=/; SameSite=Lax`] };
    expect(codes(cookie(`r=${token(claims)}; Path=/; SameSite=Lax`), ours, rules)).toEqual([]);
    expect(codes(cookie(`r=${token(claims)}; Path=/auth; SameSite=Lax`), ours, rules)).toEqual([
      ['cookie_attribute', '--cookie-path /auth', undefined],
    ]);
    const ends = { ...grantedHere(), cookies: [`${ours.cookies[0]!}; Max-Age=900`] };
    expect(codes(cookie(ours.cookies[0]!), ends, rules)).toEqual([
      ['cookie_attribute', '--cookie-lifetime session', undefined],
    ]);
    expect(codes(cookie(`${ours.cookies[0]!}; expires=Thu, 01 Jan 2026 00:00:00 GMT`), ours, rules)).toEqual([
      ['cookie_attribute', '--cookie-lifetime token', undefined],
    ]);
    expect(codes(cookie(`s=${token(claims)}; Path=/`), ours, rules)).toEqual([
      ['cookie_name', undefined, undefined],
    ]);
    expect(codes(cookie(`r=${token(claims)}`), grantedHere())).toEqual([
      ['cookie_style', undefined, undefined],
    ]);
    expect(codes(cookie('csrftoken=abc'), grantedHere())).toEqual([['cookie_lost', undefined, undefined]]);
  });
});

describe('a report holds nothing of anybody', () => {
  it.each([
    [`a ${token(claims)} b`, 'a [token] b'],
    ['of nurse@example.org', 'of [address]'],
    ['id 123456789', 'id [number]'],
    [`key ${'k'.repeat(40)}`, 'key [...]'],
    ['line\none', 'line one'],
  ])('%j', (text, told) => {
    expect(redacted(text)).toBe(told);
  });
  it('of a body the words of errors, and of the rest what kind it is', () => {
    expect(
      shapeOf({ detail: 'Token is blacklisted', access: token(claims), name: 'Jane', n: 7, list: [] }),
    ).toBe('{detail: "Token is blacklisted", access: [token], name: a text, n: a number, list: a list}');
  });
});

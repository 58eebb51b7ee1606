import { describe, expect, it } from 'vitest';
import { parseClaims, stringifyClaims } from '../../../src/jwt/claims-json.js';
import {
  accessClaims,
  readSubject,
  seconds,
  successorClaims,
  type ClaimNames,
} from '../../../src/rotation/claims.js';

const NAMES: ClaimNames = {
  jti: 'jti',
  tokenType: 'token_type',
  userId: 'user_id',
  slidingEnd: 'refresh_exp',
};
const read = (json: string, type: 'refresh' | 'any' = 'refresh') =>
  readSubject(parseClaims(json)!, NAMES, type);
const refresh = (claims: string) => `{"token_type":"refresh","exp":2000000000,"iat":1,"jti":"a"${claims}}`;

describe('a user id', () => {
  it.each([
    [',"user_id":5', '5'],
    [',"user_id":"5"', '5'],
    [',"user_id":9223372036854775807', '9223372036854775807'],
    [',"user_id":null', undefined],
    [',"user_id":""', undefined],
    ['', undefined],
  ])('in %s is %s', (claims, userKey) => {
    expect(read(refresh(claims))).toMatchObject({ jti: 'a', userKey });
  });

  it.each([
    [',"user_id":true'],
    [',"user_id":[1]'],
    [',"user_id":{"isLosslessNumber":true,"value":"1"}'],
    [',"user_id":"\\u0000"'],
    [',"user_id":"\\ud800"'],
  ])('in %s is none that a user has', (claims) => {
    expect(read(refresh(claims))).toEqual({ kind: 'invalid', reason: 'invalid' });
  });
});

describe('an id', () => {
  it('that is missing is told before a missing type, as simplejwt does', () => {
    expect(read('{"exp":2000000000}')).toEqual({ kind: 'malformed', reason: 'no_id' });
    expect(read('{"exp":2000000000,"jti":"a"}')).toEqual({ kind: 'malformed', reason: 'no_type' });
  });

  it('that the column cannot hold is invalid', () => {
    for (const jti of [`"${'a'.repeat(256)}"`, '""', '5', 'null', '"a\\u0000"']) {
      expect(read(`{"token_type":"refresh","exp":2000000000,"jti":${jti}}`)).toMatchObject({
        kind: 'invalid',
      });
    }
    expect(read(`{"token_type":"refresh","exp":2000000000,"jti":"${'a'.repeat(255)}"}`)).toMatchObject({
      expiresAtSeconds: 2_000_000_000,
    });
  });
});

describe('a time', () => {
  it.each([
    ['1', 1],
    ['1.9', 1],
    ['1e-400', 0],
    ['1e400', undefined],
    ['"1"', undefined],
    ['true', undefined],
    ['{"value":"1"}', undefined],
  ])('of %s is %s', (json, value) => {
    expect(seconds(parseClaims(`{"iat":${json}}`)!['iat'])).toBe(value);
  });
});

describe('the claims that follow', () => {
  const claims = parseClaims(
    '{"token_type":"refresh","exp":1,"iat":1,"jti":"old","user_id":9223372036854775807,"constructor":"c","price":1.0,"__proto__":{"x":1}}',
  )!;

  it('of the refresh token keep everything, in order and to the letter, but jti, exp and iat', () => {
    const next = successorClaims(claims, NAMES, { jti: 'new', issuedAtSeconds: 100, expiresAtSeconds: 110 });
    expect(stringifyClaims(next)).toBe(
      '{"token_type":"refresh","exp":110,"iat":100,"jti":"new","user_id":9223372036854775807,"constructor":"c","price":1.0,"__proto__":{"x":1}}',
    );
  });

  it("of the access token are its own four first, then the project's", () => {
    const access = accessClaims(claims, NAMES, { jti: 'acc', issuedAtSeconds: 100, expiresAtSeconds: 105 });
    expect(stringifyClaims(access)).toBe(
      '{"token_type":"access","exp":105,"iat":100,"jti":"acc","user_id":9223372036854775807,"constructor":"c","price":1.0}',
    );
  });

  it('leave out "jti" where the project\'s own id claim has another name', () => {
    const names = { ...NAMES, jti: 'tid' };
    const access = accessClaims({ tid: 'old', jti: 'third party', exp: 1 }, names, {
      jti: 'acc',
      issuedAtSeconds: 100,
      expiresAtSeconds: 105,
    });
    expect(access).toEqual({ token_type: 'access', exp: 105, iat: 100, tid: 'acc' });
  });
});

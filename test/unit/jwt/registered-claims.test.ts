import { describe, expect, it } from 'vitest';
import { parseClaims } from '../../../src/jwt/claims-json.js';
import type { Claims } from '../../../src/jwt/codec.js';
import {
  checkRegisteredClaims,
  CLOCK_LAG_ALLOWANCE_SECONDS,
  withRegisteredClaims,
  type ClaimRules,
} from '../../../src/jwt/registered-claims.js';
import { CLAIMS, NOW_SECONDS, NOW_US } from './codecs.js';

const PLAIN: ClaimRules = { audience: [], issuer: undefined, leewaySeconds: 0 };

function verdict(claims: Claims, rules: Partial<ClaimRules> = {}, nowUs = NOW_US): string {
  const found = checkRegisteredClaims(claims, { ...PLAIN, ...rules }, nowUs);
  return found.ok ? 'ok' : found.reason;
}

/** Good claims with one of them written as this JSON text. */
function withText(claim: string, json: string): Claims {
  return { ...CLAIMS, ...parseClaims(`{"${claim}":${json}}`) };
}

/** Good claims but for one that is missing. */
function without(claim: string): Claims {
  return Object.fromEntries(
    Object.entries({ ...CLAIMS, nbf: NOW_SECONDS }).filter(([name]) => name !== claim),
  );
}

/** What is no date: every JSON type but number, and numbers out of datetime's years 1 to 9999. */
const NO_DATES = [
  'null',
  'true',
  'false',
  '""',
  '"x"',
  `"${NOW_SECONDS + 60}"`,
  '[]',
  `[${NOW_SECONDS}]`,
  '{}',
  '{"value":"1"}',
];
const NO_DATES_BY_SIZE = [
  '253402300800',
  '9007199254740993',
  '1e300',
  '1e400',
  '-1e400',
  '99999999999999999999999',
  '-62135596801',
  '-99999999999999999999999',
];

describe.each(['exp', 'iat', 'nbf'])('%s', (claim) => {
  it.each([...NO_DATES, ...NO_DATES_BY_SIZE])('of %s is invalid, and throws nothing', (json) => {
    expect(verdict(withText(claim, json))).toBe('invalid');
  });
});

describe('exp', () => {
  it('is required', () => {
    expect(verdict(without('exp'))).toBe('no_exp');
    expect(verdict(without('exp'), { issuer: 'us' })).toBe('invalid');
    expect(verdict({ ...CLAIMS, exp: undefined })).toBe('invalid');
  });

  it('has passed at its very second, and not a microsecond before', () => {
    const claims = { ...CLAIMS, exp: NOW_SECONDS };
    expect(verdict(claims, {}, NOW_US - 1)).toBe('ok');
    expect(verdict(claims, {}, NOW_US)).toBe('expired');
    expect(verdict(claims, {}, NOW_US + 1)).toBe('expired');
  });

  it('has passed the leeway later where there is one', () => {
    const claims = { ...CLAIMS, exp: NOW_SECONDS };
    expect(verdict(claims, { leewaySeconds: 10 }, NOW_US + 10e6 - 1)).toBe('ok');
    expect(verdict(claims, { leewaySeconds: 10 }, NOW_US + 10e6)).toBe('expired');
    expect(verdict(claims, { leewaySeconds: 0.5 }, NOW_US + 0.4e6)).toBe('ok');
    expect(verdict(claims, { leewaySeconds: 0.5 }, NOW_US + 0.5e6)).toBe('expired');
  });

  it('with a fraction is cut, as Python does', () => {
    expect(verdict(withText('exp', `${NOW_SECONDS}.99`))).toBe('expired');
    expect(verdict(withText('exp', `${NOW_SECONDS + 1}.0`))).toBe('ok');
    expect(verdict({ ...CLAIMS, exp: NOW_SECONDS + 0.99 })).toBe('expired');
    expect(verdict(withText('exp', '1.700000001e9'))).toBe('ok');
  });

  it.each(['0', '-0', '-1', '1', '-62135596800', '1e-400', '-0.5'])('of %s is long past', (json) => {
    expect(verdict(withText('exp', json))).toBe('expired');
  });

  it('may be as late as datetime goes', () => {
    expect(verdict(withText('exp', '253402300799'))).toBe('ok');
  });
});

describe('iat and nbf', () => {
  it.each(['iat', 'nbf'])('%s may be absent', (claim) => {
    expect(verdict(without(claim))).toBe('ok');
  });

  it.each(['iat', 'nbf'])('%s ahead of now by more than the allowance and the leeway is refused', (claim) => {
    const latest = NOW_SECONDS + CLOCK_LAG_ALLOWANCE_SECONDS;
    expect(verdict({ ...CLAIMS, [claim]: latest })).toBe('ok');
    expect(verdict({ ...CLAIMS, [claim]: latest + 1 })).toBe('invalid');
    expect(verdict({ ...CLAIMS, [claim]: latest }, {}, NOW_US - 1)).toBe('invalid');
    expect(verdict({ ...CLAIMS, [claim]: latest + 30 }, { leewaySeconds: 30 })).toBe('ok');
    expect(verdict({ ...CLAIMS, [claim]: latest + 31 }, { leewaySeconds: 30 })).toBe('invalid');
  });

  it.each(['iat', 'nbf'])('%s may be any time past', (claim) => {
    for (const seconds of [0, -1, NOW_SECONDS - 1e8])
      expect(verdict({ ...CLAIMS, [claim]: seconds })).toBe('ok');
  });
});

describe('aud', () => {
  const audience = ['web', 'app'];

  it.each(['"web"', '"app"', '["web"]', '["x","app"]', '["web","web"]'])(
    '%s meets one that is configured',
    (json) => expect(verdict(withText('aud', json), { audience })).toBe('ok'),
  );

  it.each([
    '"x"',
    '""',
    '"WEB"',
    '"web "',
    '"we"',
    '[]',
    '["x"]',
    '[""]',
    'null',
    'true',
    '1',
    '1.0',
    '{}',
    '{"0":"web"}',
    '["web",1]',
    '["web",null]',
    '[["web"]]',
  ])('%s does not', (json) => expect(verdict(withText('aud', json), { audience })).toBe('invalid'));

  it('that is missing is invalid where one is configured', () => {
    expect(verdict(CLAIMS, { audience })).toBe('invalid');
  });

  it.each(['"x"', '[]', 'null', '1', '{}'])('%s is not looked at where none is configured', (json) =>
    expect(verdict(withText('aud', json))).toBe('ok'),
  );
});

describe('iss', () => {
  it.each(['"X"', '""', '"us "', 'null', 'true', '1', '[]', '["us"]', '{}'])('%s is not "us"', (json) =>
    expect(verdict(withText('iss', json), { issuer: 'us' })).toBe('invalid'),
  );

  it('must be there and equal where it is configured, else it is not looked at', () => {
    expect(verdict({ ...CLAIMS, iss: 'us' }, { issuer: 'us' })).toBe('ok');
    expect(verdict(CLAIMS, { issuer: 'us' })).toBe('invalid');
    expect(verdict({ ...CLAIMS, iss: 1 })).toBe('ok');
  });
});

describe('the order is PyJWT’s: iat, nbf, exp, iss, aud', () => {
  const past = { ...CLAIMS, exp: NOW_SECONDS - 1 };

  it.each([{ iat: NOW_SECONDS + 60 }, { iat: 'x' }, { nbf: NOW_SECONDS + 60 }, { nbf: null }])(
    'what comes before exp makes an expired token invalid: %j',
    (wrong) => expect(verdict({ ...past, ...wrong })).toBe('invalid'),
  );

  it('what comes after exp leaves an expired token expired', () => {
    expect(verdict({ ...past, iss: 'x', aud: 'x' }, { issuer: 'us', audience: ['web'] })).toBe('expired');
  });
});

it('a clock that is no number refuses everything', () => {
  expect(verdict(CLAIMS, {}, NaN)).toBe('invalid');
  expect(verdict({ exp: CLAIMS.exp }, {}, NaN)).toBe('expired');
});

it('a prototype is not looked at for claims', () => {
  expect(verdict(Object.create({ iat: 'x', nbf: 'x' }, { exp: { value: CLAIMS.exp } }) as Claims)).toBe('ok');
});

describe('on signing', () => {
  const text = (claims: Claims, rules: Partial<ClaimRules>): string =>
    JSON.stringify(withRegisteredClaims(claims, { ...PLAIN, ...rules }));

  it('aud and iss are appended, a single audience as text and several as a list', () => {
    expect(text({ a: 1 }, { audience: ['web'], issuer: 'us' })).toBe('{"a":1,"aud":"web","iss":"us"}');
    expect(text({ a: 1 }, { audience: ['web', 'app'] })).toBe('{"a":1,"aud":["web","app"]}');
    expect(text({ a: 1 }, { issuer: 'us' })).toBe('{"a":1,"iss":"us"}');
  });

  it('aud and iss that are there are overwritten in place', () => {
    expect(text({ iss: 'x', a: 1, aud: ['y'] }, { audience: ['web'], issuer: 'us' })).toBe(
      '{"iss":"us","a":1,"aud":"web"}',
    );
  });

  it('what is not configured is left as it is', () => {
    expect(text({ iss: 'x', aud: 7 }, {})).toBe('{"iss":"x","aud":7}');
  });
});

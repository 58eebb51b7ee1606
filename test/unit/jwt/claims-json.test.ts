import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLosslessNumber, parseClaims, stringifyClaims } from '../../../src/jwt/claims-json.js';

const roundTrip = (text: string): string => stringifyClaims(parseClaims(text)!);

describe('numbers of a payload', () => {
  it.each(['0', '42', '-42', '9007199254740991', '-9007199254740991', '999999999999999', '1000000000000000'])(
    'stay plain where JavaScript holds them: %s',
    (number) => {
      expect(parseClaims(`{"n":${number}}`)).toEqual({ n: Number(number) });
      expect(roundTrip(`{"n":${number}}`)).toBe(`{"n":${number}}`);
    },
  );

  it.each([
    '9007199254740992',
    '9007199254740993',
    '-9007199254740993',
    '9223372036854775807',
    '340282366920938463463374607431768211455',
    '1.0',
    '-0.0',
    '1.50',
    '0.1',
    '1e3',
    '1E+2',
    '1e400',
    '-1e-400',
    '0.30000000000000000001',
  ])('are kept to the digit where it does not: %s', (number) => {
    for (const text of [
      `{"n":${number}}`,
      `{"a":[1,${number}]}`,
      `{"a":{"b":${number}}}`,
      `{"a":[[${number}]],"b":1}`,
    ]) {
      expect(roundTrip(text)).toBe(text);
    }
    expect(isLosslessNumber(parseClaims(`{"n":${number}}`)!['n'])).toBe(true);
    expect(roundTrip(`{ "n"\t:\n${number} }`)).toBe(`{"n":${number}}`);
  });

  it('never lose a digit, whatever the number and wherever it stands (property)', () => {
    const digits = fc.stringMatching(/^(0|[1-9]\d{0,24})$/);
    const number = fc
      .tuple(
        fc.constantFrom('', '-'),
        digits,
        fc.constantFrom('', '.0', '.25', '.1000000000000000001'),
        fc.constantFrom('', 'e5', 'E-7', 'e+400'),
      )
      .map((parts) => parts.join(''))
      .filter((text) => text !== '-0');
    const place = fc.constantFrom(
      (n: string) => `{"n":${n}}`,
      (n: string) => `{"a":1,"n":${n},"z":"x"}`,
      (n: string) => `{"a":[${n},${n}]}`,
      (n: string) => `{"a":{"b":[{"c":${n}}]}}`,
    );
    fc.assert(
      fc.property(number, place, (n, at) => roundTrip(at(n)) === at(n)),
      { numRuns: 1000, seed: 7 },
    );
  });

  it('in strings are left alone', () => {
    const text = '{"s":":1.5","t":"[12345678901234567890","u":"3e7"}';
    expect(roundTrip(text)).toBe(text);
  });
});

describe('a payload', () => {
  it('is written back as it came, whatever JSON it holds (property)', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (object) => {
        const text = JSON.stringify(object);
        // JSON.stringify writes small and large numbers in its own notation; that is what must come back.
        expect(roundTrip(text)).toBe(text);
      }),
      { numRuns: 500, seed: 11 },
    );
  });

  it('keeps the order of its claims', () => {
    const text = '{"z":1,"token_type":"refresh","a":2.0,"exp":3}';
    expect(roundTrip(text)).toBe(text);
  });

  it.each([
    ['{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'],
    ['{"a":1.0,"b":2,"a":3.0}', '{"a":3.0,"b":2}'],
    ['{"a":1.0,"b":2,"a":null}', '{"a":null,"b":2}'],
    ['{"x":{"a":1.0,"a":[2]}}', '{"x":{"a":[2]}}'],
    ['{"a":1.0,"a":undefined}', undefined],
  ])('with a key twice has the last value in the first place, as in Python: %s', (text, expected) => {
    const claims = parseClaims(text);
    expect(claims && stringifyClaims(claims)).toBe(expected);
  });

  it.each([
    '{"__proto__":{"polluted":1},"n":1}',
    '{"__proto__":{"polluted":1},"n":1.0}',
    '{"a":{"__proto__":{"polluted":1.0}}}',
    '{"constructor":{"prototype":{"polluted":1.0}}}',
  ])('with __proto__ pollutes nothing, and is written back: %s', (text) => {
    const claims = parseClaims(text)!;
    expect(Object.getPrototypeOf(claims)).toBe(Object.prototype);
    expect(claims['polluted']).toBeUndefined();
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
    expect(stringifyClaims({ ...claims })).toBe(text);
  });

  it.each([
    '',
    ' ',
    '[]',
    '[{}]',
    '"x"',
    '1',
    '1.0',
    'null',
    'true',
    '{',
    '{"a":1,}',
    '{"a":1.0,}',
    '{"a":NaN}',
    '{"a":1.0,"b":NaN}',
    '{"a":01}',
    '{"a":1.}',
    '{"a":1.0}x',
    '{"a":1.0,"b":"\n"}',
    "{'a':1.0}",
  ])('that is no JSON object is refused: %j', (text) => expect(parseClaims(text)).toBeUndefined());

  it('is the same by both parsers where no number needs the slow one (property)', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), (json) => {
        const fast = parseClaims(`{"a":${json}}`);
        const slow = parseClaims(`{"slow":1.0,"a":${json}}`);
        expect(stringifyClaims({ a: slow!['a'] })).toBe(stringifyClaims({ a: fast!['a'] }));
      }),
      { numRuns: 500, seed: 13 },
    );
  });

  it.each([500, 501, 2000, 4000])(
    'nested %i deep is either refused or written back, never a throw',
    (depth) => {
      const nested = '['.repeat(depth - 1) + ']'.repeat(depth - 1);
      for (const text of [`{"a":${nested}}`, `{"n":1.0,"a":${nested}}`]) {
        const claims = parseClaims(text);
        expect(claims === undefined).toBe(depth > 500);
        if (claims !== undefined) expect(stringifyClaims(claims)).toBe(text);
      }
    },
  );

  it('that imitates a LosslessNumber stays an object', () => {
    const text = '{"n":{"value":"1","isLosslessNumber":true}}';
    expect(isLosslessNumber(parseClaims(text)!['n'])).toBe(false);
    expect(roundTrip(text)).toBe(text);
  });
});

it('claims of our own may hold a bigint', () => {
  expect(stringifyClaims({ user_id: 9007199254740993n, exp: 1 })).toBe(
    '{"user_id":9007199254740993,"exp":1}',
  );
});

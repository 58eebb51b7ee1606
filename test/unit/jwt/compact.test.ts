import { describe, expect, it } from 'vitest';
import { decodeText, MAX_TOKEN_LENGTH, readHeader, splitCompact } from '../../../src/jwt/compact.js';

const b64 = (text: string | Buffer): string => Buffer.from(text).toString('base64url');

describe('a compact token', () => {
  it('is three segments, and signed is what stands before the last dot', () => {
    expect(splitCompact('AAAA.BBBB.CCCC')).toEqual({
      header: 'AAAA',
      payload: 'BBBB',
      signature: 'CCCC',
      signingInput: 'AAAA.BBBB',
    });
  });

  it.each([
    '',
    '.',
    '..',
    'AAAA',
    'AAAA.BBBB',
    'AAAA.BBBB.',
    '.BBBB.CCCC',
    'AAAA..CCCC',
    'A.B.C.D',
    'AAAA.BBBB.CCCC.',
  ])('is refused with parts missing, empty or too many: %j', (token) =>
    expect(splitCompact(token)).toBeUndefined(),
  );

  it.each(['=', '+', '/', ' ', '\n', '\r\n', '\t', '\0', '%', 'é', '\u0141', '\ufeff'])(
    'is refused with %j anywhere in it',
    (strange) => {
      const token = 'AAAA.BBBB.CCCC';
      for (let at = 0; at <= token.length; at++) {
        expect(splitCompact(token.slice(0, at) + strange + token.slice(at))).toBeUndefined();
      }
    },
  );

  it.each(['CC==', 'CCC=', 'CCCC=', 'CCCC====', 'CC+/', 'CC\n'])(
    'is refused padded, or in plain base64: %j',
    (segment) => {
      expect(splitCompact(`${segment}.BBBB.CCCC`)).toBeUndefined();
      expect(splitCompact(`AAAA.${segment}.CCCC`)).toBeUndefined();
      expect(splitCompact(`AAAA.BBBB.${segment}`)).toBeUndefined();
    },
  );

  it('has one text for each bytes: no stray bits in the last character, no lone character', () => {
    for (const size of [1, 2, 3, 4, 5, 6]) {
      const right = b64(Buffer.alloc(size, 0xa5));
      const accepted = Array.from(
        'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
        (last) => right.slice(0, -1) + last,
      ).filter((text) => splitCompact(`${text}.${text}.${text}`) !== undefined);
      const canonical = accepted.filter((text) => b64(Buffer.from(text, 'base64url')) === text);
      expect(accepted).toEqual(canonical);
      expect(accepted).toContain(right);
    }
    expect(splitCompact('AAAAA.BBBB.CCCC')).toBeUndefined();
  });

  it('is refused unread when it is longer than the bound', () => {
    const tokenOf = (length: number): string => 'AAAA.BBBB.'.padEnd(length, 'A');
    expect(splitCompact(tokenOf(MAX_TOKEN_LENGTH - 2))).toBeDefined();
    expect(splitCompact(tokenOf(MAX_TOKEN_LENGTH + 2))).toBeUndefined();
  });

  it('costs next to nothing when it is a megabyte of almost the right thing', () => {
    const junk = ['A'.repeat(1e6), '.'.repeat(1e6), 'A.'.repeat(5e5)];
    for (const token of junk) expect(splitCompact(token)).toBeUndefined();
  });

  it('is UTF-8 inside, without a BOM', () => {
    expect(decodeText(b64('Zoë'))).toBe('Zoë');
    expect(decodeText(b64('\ufeffx'))).toBe('x');
    expect(decodeText(b64(Buffer.from([0xff])))).toBeUndefined();
    expect(decodeText(b64(Buffer.from([0xed, 0xa0, 0x80])))).toBeUndefined();
  });
});

describe('a header', () => {
  it.each([
    '{"alg":"HS256","typ":"JWT"}',
    '{"typ":"JWT","alg":"HS256"}',
    '{"alg":"HS256"}',
    '{"alg":"HS256","typ":"at+jwt","x":[1]}',
    '{"alg":"none","alg":"HS256"}',
    '{"alg":"HS256","b64":true}',
    ' { "alg" : "HS256" } ',
  ])('that names the algorithm is read: %s', (text) => expect(readHeader(b64(text), 'HS256')).toBeDefined());

  it.each([
    '{}',
    '{"alg":"none"}',
    '{"alg":"None"}',
    '{"alg":"hs256"}',
    '{"alg":"HS512"}',
    '{"alg":"RS256"}',
    '{"alg":"HS256 "}',
    '{"alg":["HS256"]}',
    '{"alg":null}',
    '{"Alg":"HS256"}',
    '{"alg":"HS256","alg":"none"}',
    '{"__proto__":{"alg":"HS256"}}',
    '["HS256"]',
    '"HS256"',
    'null',
    '',
    '{"alg":"HS256"',
  ])('that names another, or none, is refused: %s', (text) =>
    expect(readHeader(b64(text), 'HS256')).toBeUndefined(),
  );

  it.each([
    '"crit":[]',
    '"crit":null',
    '"crit":["b64"],"b64":true',
    '"crit":["exp"]',
    '"b64":false',
    '"b64":0',
    '"b64":null',
  ])('with an extension is refused: %s', (members) =>
    expect(readHeader(b64(`{"alg":"HS256",${members}}`), 'HS256')).toBeUndefined(),
  );

  it('gives its kid where that is text', () => {
    expect(readHeader(b64('{"alg":"RS256","kid":"a"}'), 'RS256')).toEqual({ kid: 'a' });
    expect(readHeader(b64('{"alg":"RS256","kid":1}'), 'RS256')).toEqual({ kid: undefined });
  });
});

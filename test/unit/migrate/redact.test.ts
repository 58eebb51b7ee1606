import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redactQuery } from '../../../src/migrate/redact.js';

const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJhYmMifQ.c2lnbmF0dXJl';

describe("a statement of somebody else's", () => {
  it.each([
    [
      'SELECT "t"."id" FROM "t" WHERE "t"."jti" = \'abc\' AND x = 1',
      'SELECT "t"."id" FROM "t" WHERE "t"."jti" = \'…\'',
    ],
    ['UPDATE t SET n = 41, m = -1.5e3', 'UPDATE t SET n = ?, m = -?'],
    ['SELECT $1, $2', 'SELECT $1, $2'],
    ['SELECT a2, _b3 FROM t4', 'SELECT a2, _b3 FROM t4'],
    ['SELECT /* secret /* nested */ still secret */ a -- secret\n FROM t', 'SELECT a FROM t'],
    ['SELECT /* secret', 'SELECT'],
    ['SELECT 1', 'SELECT ?'],
    ["SELECT E'it\\'s secret'", "SELECT '…'"],
    ["SELECT U&'secret', 1", "SELECT '…'"],
    ['SELECT $$secret$$', "SELECT '…'"],
    ['SELECT $tag$secret$tag$', "SELECT '…'"],
    ['SELECT "a', "SELECT '…'"],
    ['  SELECT\n\t a  ', 'SELECT a'],
  ])('%s', (query, shown) => {
    expect(redactQuery(query)).toBe(shown);
  });

  it('is cut where it is long', () => {
    expect(redactQuery(`SELECT ${'a, '.repeat(100)}b`)).toHaveLength(100);
  });

  it('never shows a value, however it is written and wherever the server has cut the text', () => {
    const quoted = fc.constantFrom(
      (text: string) => `'${text}'`,
      (text: string) => `E'${text}'`,
      (text: string) => `e'\\'${text}'`,
      (text: string) => `''''||'${text}'`,
      (text: string) => `$$${text}$$`,
      (text: string) => `$q$${text}$q$`,
      (text: string) => `U&'${text}'`,
      (text: string) => `/* ${text} */ 1`,
      (text: string) => `1 -- ${text}`,
    );
    const before = fc.constantFrom(
      'SELECT ',
      'UPDATE "t" SET "a" = ',
      'INSERT INTO t VALUES (1, ',
      "SELECT 'x' || ",
      '/* c */',
    );
    fc.assert(
      fc.property(before, quoted, fc.nat(200), (start, quote, cut) => {
        const shown = redactQuery(`${start}${quote(TOKEN)} AND more`.slice(0, start.length + cut));
        expect(shown).not.toContain('eyJ');
      }),
    );
  });

  it('never fails, whatever the text', () => {
    const unit = fc.constantFrom(
      'a',
      'b',
      '1',
      '_',
      '.',
      '$',
      "'",
      '"',
      '\\',
      '/',
      '*',
      '-',
      ' ',
      '\n',
      '(',
      ',',
      '=',
      'é',
      '\ud83d',
      '\0',
    );
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 300 }), (text) => redactQuery(text).length <= 100),
      { numRuns: 500 },
    );
  });
});

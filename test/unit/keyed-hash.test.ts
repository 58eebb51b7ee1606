import { createHmac, createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyedHash, keyedLine } from '../../src/keyed-hash.js';

const ALGORITHMS = ['sha256', 'sha384', 'sha512'] as const;

/** Of every length around the hash's block, and beyond the buffer that is kept. */
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  // Lone surrogates among them: both write U+FFFD for them.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 300 })
    .map((units) => String.fromCharCode(...units)),
  fc.integer({ min: 0, max: 8_192 }).map((length) => 'x'.repeat(length)),
);

describe('a keyed hash', () => {
  it.each(ALGORITHMS)('is the HMAC of %s that OpenSSL computes, whatever key and text', (algorithm) => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 0, maxLength: 300 }),
        fc.array(texts, { minLength: 1, maxLength: 5 }),
        (key, several) => {
          const ours = keyedHash(algorithm, Buffer.from(key));
          for (const text of several) {
            const theirs = createHmac(algorithm, key).update(text).digest();
            expect(ours(text, 'hex')).toBe(theirs.toString('hex'));
            expect(ours(text, 'base64url')).toBe(theirs.toString('base64url'));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('takes a key as an object, too, and is the answer of RFC 4231 (test case 2)', () => {
    const key = createSecretKey(Buffer.from('Jefe'));
    expect(keyedHash('sha256', key)('what do ya want for nothing?', 'hex')).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });
});

describe('a line of keyed hashes', () => {
  it('is HMAC-SHA256 of the label and the one before, cut off, whatever key, label and beginning', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 0, maxLength: 100 }),
        fc.string({ unit: 'grapheme', maxLength: 12 }),
        fc.integer({ min: 1, max: 64 }),
        // Two that take turns: they share what the line keeps.
        fc.array(fc.tuple(texts, fc.integer({ min: -1, max: 20 })), { minLength: 1, maxLength: 3 }),
        (key, label, digits, several) => {
          const ours = keyedLine(Buffer.from(key), label, digits);
          for (const [from, count] of several) {
            const theirs: string[] = [];
            for (let next = from; theirs.length < count; theirs.push(next))
              next = createHmac('sha256', key).update(label).update(next).digest('hex').slice(0, digits);
            expect(ours(from, count)).toEqual(theirs);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

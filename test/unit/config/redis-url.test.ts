import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redisUrl } from '../../../src/config/redis-url.js';

describe('a Redis URL', () => {
  it.each([
    ['redis://h', { kind: 'single', nodes: [{ host: 'h', port: 6379 }], tls: undefined, database: 0 }],
    [
      'rediss://u:p%40@h:1/3',
      { tls: { verify: true, checkName: true }, username: 'u', password: 'p@', database: 3 },
    ],
    ['redis://[::1]:7', { nodes: [{ host: '::1', port: 7 }] }],
    ['redis+cluster://:s@a:1,b', { kind: 'cluster', password: 's', username: undefined }],
    // As Celery leaves out what is the default, and Python leaves alone what is no escape.
    ['redis://', { nodes: [{ host: 'localhost', port: 6379 }], database: 0 }],
    ['redis://%zz@h', { username: '%zz', password: '' }],
    ['redis+sentinel://a,b:5/main', { kind: 'sentinel', masterName: 'main', nodes: [{ port: 26379 }, {}] }],
  ])('%s', (text, read) => expect(redisUrl.parse(text)).toMatchObject(read));
  it.each([
    'h:6379', 'http://h', 'redis//h', 'redis://a,b', 'redis://h:0', 'redis://h:70000', 'redis://h/x',
    'redis+cluster://a/1', 'redis+sentinel://a,b', 'redis://%ff@h', 'redis+cluster://a,,b',
  ])('not %s', (text) => expect(redisUrl.parse(text)).toBeUndefined()); // prettier-ignore
});

describe('whatever is given as a Redis URL', () => {
  const piece = fc.oneof(
    fc.constantFrom('redis://', 'rediss://', 'unix://', 'redis+sentinel://', 'redis+cluster://', 'h', ':', '@', '/', '?', '#', '%', '%ff', '%41', '&', '=', ',', '[', ']', 'db', 'ssl_cert_reqs', '6379', '"', ' ', '\0'),
    fc.string({ maxLength: 4 }),
  ); // prettier-ignore
  it('is read, or refused in one sentence that quotes nothing of it', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = `redis://user:hunter2${pieces.join('')}`;
        for (const one of [text, pieces.join('')]) {
          if (redisUrl.parse(one) !== undefined) continue;
          const told = redisUrl.explain?.(one) ?? '';
          expect(told).not.toMatch(/hunter2|\n/);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

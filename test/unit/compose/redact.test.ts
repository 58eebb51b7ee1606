import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redact } from '../../../src/compose/redact.js';

describe('what is taken out of a support bundle', () => {
  it('is each word of what is hidden, wherever it stands, and nothing else', () => {
    const hidden = [
      'postgres://jane:p%40ss-word@db.ward7.example:5432/charts?sslmode=require',
      '/srv/secret place/tls.pem',
    ];
    const told = {
      what: 'No route to db.ward7.example: the role jane may not read charts.outstanding (sslmode=require).',
      list: ['p@ss-word', 'p%40ss-word', '/srv/secret place/tls.pem is old', 5432, null, true],
    };
    expect(redact(told, hidden)).toEqual({
      what: 'No route to [hidden]: the role [hidden] may not read [hidden].outstanding (sslmode=require).',
      list: ['[hidden]', '[hidden]', '[hidden] is old', 5432, null, true],
    });
  });

  it('is gone, whatever it is and whatever stands around it', () => {
    const word = fc.stringMatching(/^[a-zA-Z0-9_.+*?^$()[\]{}|\\-]{8,20}$/);
    fc.assert(
      fc.property(word, fc.constantFrom(' ', '"', '/', ':', ', '), (secret, gap) => {
        expect(redact(`a${gap}${secret}${gap}b`, [secret])).not.toContain(secret);
      }),
    );
  });
});

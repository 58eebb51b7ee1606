import { DEED_KINDS } from '../deed-kinds.js';
import { integer, oneOf, text, type ValueKind } from './kinds.js';
import { since } from './moments.js';
import { inGroup, list, optional, valued } from './option.js';
import { TOKEN_TABLES_OPTION } from './rotation-options.js';
import { SHARED_OPTIONS } from './shared-options.js';

const rows = integer({ min: 1, max: 1_000_000_000 });

const limit: ValueKind<number | 'all'> = {
  placeholder: 'all|number',
  suggests: ['all'],
  allowed: `all, or ${rows.allowed}`,
  parse: (given) => (given === 'all' ? 'all' : rows.parse(given)),
};

/** All that `audit` takes. */
export const AUDIT_OPTIONS = {
  ...inGroup('Which deeds', {
    user: optional(text('id'), {
      help: 'only what was done to this user: the id as tokens name it',
      absentText: 'everybody',
    }),
    since: optional(since, {
      help: 'only what was done since: so long ago, or a time with its zone',
      absentText: 'the beginning',
    }),
    kind: list(oneOf(DEED_KINDS), { help: `only these: ${DEED_KINDS.join(', ')}` }),
    limit: valued(limit, { default: '100', help: 'at most so many, the latest first' }),
  }),
  ...TOKEN_TABLES_OPTION,
  ...SHARED_OPTIONS,
};

import { CLEANUP_OPTIONS } from './cleanup-options.js';
import { path, text, type ValueKind } from './kinds.js';
import { optional, toggle } from './option.js';
import { TOKEN_TABLES_OPTION } from './rotation-options.js';
import { SERVE_OPTIONS } from './serve-options.js';
import { SHARED_OPTIONS } from './shared-options.js';
import { USER_OPTIONS } from './user-options.js';

const ISO = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d(?::?\d\d)?)$/;

/** A moment with its zone: without one it would be midnight somewhere else. */
const moment: ValueKind<string> = {
  placeholder: 'time',
  allowed: 'now, or a time with its zone such as 2026-02-03T16:05:00Z or 2026-02-03T17:05:00+01:00',
  parse: (given) =>
    given === 'now' || (ISO.test(given) && !Number.isNaN(Date.parse(given))) ? given : undefined,
};

/** All that `revoke` takes. */
export const REVOKE_OPTIONS = {
  user: optional(text('id'), {
    help: 'all tokens of a user, those without a row included: the id as tokens name it',
  }),
  jti: optional(text('jti'), { help: 'the refresh token with this jti, and what came of it' }),
  family: optional(path('file'), {
    help: 'the refresh token that a file holds, and what came of it; it may have expired',
  }),
  'issued-before': optional(moment, {
    help: 'all tokens, of all users, that were issued before this time: everybody logs in anew',
  }),
  ...TOKEN_TABLES_OPTION,
  yes: toggle({ help: 'do it; without this only the count is shown', typed: true }),
  nice: CLEANUP_OPTIONS.nice,
  'target-batch-time': CLEANUP_OPTIONS['target-batch-time'],
  'batch-size': CLEANUP_OPTIONS['batch-size'],
  algorithm: SERVE_OPTIONS.algorithm,
  'signing-key-file': SERVE_OPTIONS['signing-key-file'],
  'verifying-key-file': SERVE_OPTIONS['verifying-key-file'],
  audience: SERVE_OPTIONS.audience,
  issuer: SERVE_OPTIONS.issuer,
  'user-id-claim': SERVE_OPTIONS['user-id-claim'],
  'jti-claim': SERVE_OPTIONS['jti-claim'],
  'token-type-claim': SERVE_OPTIONS['token-type-claim'],
  'sliding-refresh-exp-claim': SERVE_OPTIONS['sliding-refresh-exp-claim'],
  ...USER_OPTIONS,
  ...SHARED_OPTIONS,
  'signing-key': SERVE_OPTIONS['signing-key'],
  'chain-key': SERVE_OPTIONS['chain-key'],
};

import { CLEANUP_OPTIONS } from './cleanup-options.js';
import { path, text, type ValueKind } from './kinds.js';
import { moment } from './moments.js';
import { inGroup, optional, toggle } from './option.js';
import { TOKEN_TABLES_OPTION } from './rotation-options.js';
import { SERVE_OPTIONS } from './serve-options.js';
import { SHARED_OPTIONS } from './shared-options.js';
import { USER_OPTIONS } from './user-options.js';

const sessionId: ValueKind<string> = {
  placeholder: 'id',
  allowed: 'the id of a session: a whole number, as `sessions --user` prints it',
  parse: (given) => (/^[1-9]\d{0,17}$/.test(given) ? given : undefined),
};

/** As much as `revoke_user` takes. */
const MOST_REASON = 1_000;

const words = text('text');

const reasonText: ValueKind<string> = {
  placeholder: 'text',
  allowed: `a text of ${MOST_REASON} characters at most, on one line`,
  parse(given) {
    const reason = words.parse(given);
    return reason === undefined || reason.length > MOST_REASON ? undefined : reason;
  },
};

/** All that `revoke` takes. */
export const REVOKE_OPTIONS = {
  ...inGroup('Which tokens', {
    user: optional(text('id'), {
      help: 'all tokens of a user, those without a row included: the id as tokens name it',
    }),
    jti: optional(text('jti'), { help: 'the refresh token with this jti, and what came of it' }),
    family: optional(path('file'), {
      help: 'the refresh token that a file holds, and what came of it; it may have expired',
    }),
    session: optional(sessionId, {
      help: 'one session: the id that `sessions --user` prints, or did before the session was refreshed',
    }),
    'issued-before': optional(moment, {
      help: 'all tokens, of all users, that were issued before this time: everybody logs in anew',
    }),
  }),
  ...inGroup('This run', {
    reason: optional(reasonText, { help: 'why, for the audit', absentText: 'none is recorded' }),
  }),
  ...TOKEN_TABLES_OPTION,
  ...inGroup('This run', {
    yes: toggle({ help: 'do it; without this only the count is shown', typed: true }),
  }),
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

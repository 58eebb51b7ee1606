import { integer, text } from './kinds.js';
import { inGroup, optional, valued } from './option.js';
import { SERVE_OPTIONS } from './serve-options.js';
import { SHARED_OPTIONS } from './shared-options.js';
import { PASSWORD_OPTIONS, USER_OPTIONS } from './user-options.js';
import { TOKEN_TABLES_OPTION } from './rotation-options.js';

/** All that `sessions` takes. What servers are told about sessions and users it must be told as well. */
export const SESSIONS_OPTIONS = {
  ...inGroup('Which sessions', {
    user: optional(text('id'), {
      help: 'whose sessions: the id of the user as tokens name it',
    }),
    limit: valued(integer({ min: 1, max: 10_000 }), {
      default: '100',
      help: 'show so many sessions at most, the newest first',
    }),
  }),
  'session-lifetime': {
    ...SERVE_OPTIONS['session-lifetime'],
    help: 'what the servers have: sessions that are older have ended',
  },
  leeway: SERVE_OPTIONS.leeway,
  'token-type-claim': SERVE_OPTIONS['token-type-claim'],
  'sliding-refresh-exp-claim': SERVE_OPTIONS['sliding-refresh-exp-claim'],
  ...TOKEN_TABLES_OPTION,
  ...USER_OPTIONS,
  ...PASSWORD_OPTIONS,
  ...SHARED_OPTIONS,
};

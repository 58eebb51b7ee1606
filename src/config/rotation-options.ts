import { oneOf } from './kinds.js';
import { inGroup, valued } from './option.js';

/** For every command that works on a site. */
export const TOKEN_TABLES_OPTION = inGroup('Site', {
  'token-tables': valued(oneOf(['required', 'none']), {
    default: 'required',
    help: "none: the site doesn't have simplejwt's blacklist app, so there are no token tables in any schema",
  }),
});

/** What a site does with refresh tokens. */
export const ROTATION_OPTIONS = {
  ...inGroup('Rotation', {
    rotation: valued(oneOf(['on', 'off', 'keep', 'offered']), {
      default: 'on',
      help: 'on: each refresh token is used once; off: it is kept (ROTATE_REFRESH_TOKENS=False); keep: rotated without blacklisting; offered: on for clients that send X-Carelink-Rotation: accepted, off for others',
    }),
  }),
  ...TOKEN_TABLES_OPTION,
  ...inGroup('Rotation', {
    'verify-blacklist': valued(oneOf(['auto', 'on', 'off']), {
      default: 'auto',
      help: 'whether verify/ refuses blacklisted tokens, as simplejwt does with BLACKLIST_AFTER_ROTATION; auto: yes, but for --rotation keep',
    }),
  }),
};

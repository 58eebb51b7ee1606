/**
 * What a role may be given the rights for: commands, and `django`, whose code calls `revoke_user`. `bench` talks HTTP; `migrate`
 * is the owner's.
 */
export const GRANTED_COMMANDS = [
  'serve',
  'cleanup',
  'revoke',
  'sessions',
  'doctor',
  'audit',
  'django',
] as const;

export type GrantedCommand = (typeof GRANTED_COMMANDS)[number];

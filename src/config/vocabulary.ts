/** The words that options may take; a test holds them to the rooms they come from (config imports no other). */
export const ALGORITHMS = [
  'HS256', 'HS384', 'HS512',
  'RS256', 'RS384', 'RS512',
  'PS256', 'PS384', 'PS512',
  'ES256', 'ES384', 'ES512',
  'EdDSA',
] as const; // prettier-ignore

export type Algorithm = (typeof ALGORITHMS)[number];

export const PASSWORD_HASHES = ['md5', 'sha256', 'sha512'] as const;

export type PasswordHash = (typeof PASSWORD_HASHES)[number];

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** The KPIs, by id. */
export const KPI_IDS = [
  'refresh_duration', 'db_queries', 'concurrent_refresh', 'cache_hit', 'background',
] as const; // prettier-ignore

export const MIGRATE_ACTIONS = ['up', 'status', 'plan', 'down', 'repair', 'grants'] as const;

export type MigrateAction = (typeof MIGRATE_ACTIONS)[number];

export const DEAD_LETTER_ACTIONS = ['list', 'retry', 'drop'] as const;

/** The shells that completion is written for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

import { ConfigError } from '../config/errors.js';
import type { ServeSettings } from '../config/settings.js';
import type { RotationChoices } from '../config/parts.js';
import { spends } from '../rotation/policy.js';
import type { Need } from '../store/privileges.js';
import type { TokenSchema } from '../store/schema.js';

/**
 * When spent tokens are written down. With a view of users it is before the answer, always: no trigger tells of what a view
 * reads, so only the claim's own statement knows who may refresh (rule 26).
 *
 * @throws ConfigError where asynchronous blacklisting is asked for by name
 */
export function blacklistFor(
  { rotation: { blacklist } }: Pick<ServeSettings, 'rotation'>,
  { users }: Pick<TokenSchema, 'users'>,
): RotationChoices['blacklist'] {
  if (users?.kind !== 'view') return blacklist;
  if (blacklist !== 'async') return 'sync';
  throw new ConfigError([
    `--blacklist async can't be kept with the view ${users.name} as --user-table: no trigger tells of what a view reads. ` +
      'Leave --blacklist out, or say sync.',
  ]);
}

/** What a server will do on the database, by its settings. */
export function needsOf(
  { redis, rotation, cleanup }: Pick<ServeSettings, 'redis' | 'rotation' | 'cleanup'>,
  blacklist: RotationChoices['blacklist'],
): Need[] {
  return [
    'serve',
    ...(redis !== undefined && spends(rotation.policy) && blacklist !== 'sync'
      ? (['serve_async'] as const)
      : []),
    ...(cleanup !== undefined ? (['cleanup'] as const) : []),
  ];
}

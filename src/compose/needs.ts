import type { ServeSettings } from '../config/settings.js';
import { spends } from '../rotation/policy.js';
import type { Need } from '../store/rights.js';

/** What a server will do on the database, by its settings. */
export function needsOf({
  redis,
  rotation,
  cleanup,
}: Pick<ServeSettings, 'redis' | 'rotation' | 'cleanup'>): Need[] {
  return [
    'serve',
    ...(redis !== undefined && spends(rotation.policy) && rotation.blacklist !== 'sync'
      ? (['serve_async'] as const)
      : []),
    ...(cleanup !== undefined ? (['cleanup'] as const) : []),
  ];
}

import type { ServeSettings } from '../config/settings.js';
import type { Need } from '../store/rights.js';

/** What a server will do on the database, by its settings. */
export function needsOf({
  redis,
  rotation,
  cleanup,
}: Pick<ServeSettings, 'redis' | 'rotation' | 'cleanup'>): Need[] {
  return [
    'serve',
    ...(redis !== undefined && rotation.blacklist !== 'sync' ? (['serve_async'] as const) : []),
    ...(cleanup !== undefined ? (['cleanup'] as const) : []),
  ];
}

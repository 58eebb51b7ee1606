import { ConfigError } from './errors.js';
import { deepFreeze } from './freeze.js';
import { MIGRATE_OPTIONS } from './migrate-options.js';
import { resolve, type Flags } from './resolve.js';
import type { MigrateSettings } from './settings.js';
import { sharedSettings } from './shared-settings.js';
import type { Source } from './source.js';

/** @throws {ConfigError} with everything that is wrong */
export function migrateSettings(flags: Flags, source: Source): MigrateSettings {
  const resolved = resolve(MIGRATE_OPTIONS, flags, source.env);
  const problems = [...resolved.problems];
  const shared = sharedSettings(resolved, source, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze({ command: 'migrate', ...shared, createTables: resolved.values['create-tables'] });
}

import { AUDIT_OPTIONS } from './audit-options.js';
import { ConfigError } from './errors.js';
import { deepFreeze } from './freeze.js';
import { resolve, type Flags } from './resolve.js';
import type { AuditSettings } from './settings.js';
import { sharedSettings } from './shared-settings.js';
import type { Source } from './source.js';

/** @throws {ConfigError} with everything that is wrong */
export function auditSettings(flags: Flags, source: Source): AuditSettings {
  const resolved = resolve(AUDIT_OPTIONS, flags, source.env);
  const { values } = resolved;
  const problems = [...resolved.problems];
  const shared = sharedSettings(resolved, source, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze({
    command: 'audit',
    ...shared,
    user: values.user,
    since: values.since,
    kinds: values.kind,
    limit: values.limit === 'all' ? undefined : values.limit,
    tokenTables: values['token-tables'] === 'required',
  });
}

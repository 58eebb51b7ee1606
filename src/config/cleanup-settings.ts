import { CLEANUP_OPTIONS } from './cleanup-options.js';
import { ConfigError } from './errors.js';
import { deepFreeze } from './freeze.js';
import { resolve, type Flags } from './resolve.js';
import type { CleanupSettings } from './settings.js';
import type { CleanupChoices } from './parts.js';
import { sharedSettings } from './shared-settings.js';
import type { Source } from './source.js';

/** @throws {ConfigError} with everything that is wrong */
export function cleanupSettings(flags: Flags, source: Source): CleanupSettings {
  const resolved = resolve(CLEANUP_OPTIONS, flags, source.env);
  const { values, given } = resolved;
  const problems = [...resolved.problems];
  const shared = sharedSettings(resolved, source, problems);
  if (values['dry-run'] && values.every !== undefined) {
    problems.push(`--dry-run and ${given.every ?? '--every'} exclude each other: leave one out.`);
  }
  if (values['audit-retention'] !== undefined && values['token-tables'] === 'none') {
    problems.push(
      `${given['audit-retention'] ?? '--audit-retention'} and --token-tables none exclude each other: a cleanup of a site without ` +
        'token tables does nothing. Remove old rows of carelink.audit by last_at, with a DELETE of your own.',
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze({
    command: 'cleanup',
    ...shared,
    cleanup: {
      retentionMs: values.retention,
      leewayMs: Math.ceil(values.leeway * 1000),
      slidingEnd: values['sliding-refresh-exp-claim'],
      extraLifetimeMs: values['extra-lifetime'] === 'auto' ? undefined : values['extra-lifetime'],
      batchSize: values['batch-size'] === 'auto' ? undefined : values['batch-size'],
      targetBatchMs: values['target-batch-time'],
      nice: values.nice,
      maxRows: values['max-rows'],
      maxDurationMs: values['max-duration'],
      vacuum: values.vacuum,
      auditRetentionMs: values['audit-retention'],
      ignoredStandbys: values['ignore-standby'],
    },
    tokenTables: values['token-tables'] === 'required',
    dryRun: values['dry-run'],
    everyMs: values.every,
  });
}

/** What `serve` does by itself: the defaults of the command, with the leeway and the claims of the server. */
export function cleanupChoicesOfServer(leewaySeconds: number, slidingEnd: string): CleanupChoices {
  const absent = <T>({ absent: value }: { readonly absent: T }): T => value;
  return {
    retentionMs: absent(CLEANUP_OPTIONS.retention),
    leewayMs: Math.ceil(leewaySeconds * 1000),
    slidingEnd,
    extraLifetimeMs: undefined,
    batchSize: undefined,
    targetBatchMs: absent(CLEANUP_OPTIONS['target-batch-time']),
    nice: absent(CLEANUP_OPTIONS.nice),
    maxRows: undefined,
    maxDurationMs: undefined,
    vacuum: absent(CLEANUP_OPTIONS.vacuum),
    auditRetentionMs: undefined,
    ignoredStandbys: [],
  };
}

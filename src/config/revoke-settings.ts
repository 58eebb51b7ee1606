import { ConfigError } from './errors.js';
import { FileReader } from './files.js';
import { deepFreeze } from './freeze.js';
import { keySettings } from './key-settings.js';
import { resolve, type Flags, type Resolved } from './resolve.js';
import { REVOKE_OPTIONS } from './revoke-options.js';
import type { RevokeSettings } from './settings.js';
import { sharedSettings } from './shared-settings.js';
import type { Source } from './source.js';
import { userSettings } from './user-options.js';

const TARGETS = ['user', 'session', 'jti', 'family', 'issued-before'] as const;

/** @throws {ConfigError} with everything that is wrong */
export function revokeSettings(flags: Flags, source: Source): RevokeSettings {
  const resolved = resolve(REVOKE_OPTIONS, flags, source.env);
  const { values } = resolved;
  const problems = [...resolved.problems];
  const files = new FileReader(source, problems);
  const shared = sharedSettings(resolved, source, problems);
  const target = targetOf(resolved, files, problems);
  // Whose family it is follows from keys; whose user and which time doesn't.
  const keyed = target?.kind === 'jti' || target?.kind === 'family' || target?.kind === 'session';
  const keys = keyed ? keySettings(resolved, files, problems) : undefined;
  const tokenTables = values['token-tables'] === 'required';
  if (!tokenTables && keyed)
    problems.push(
      `--token-tables none and --${target.kind} exclude each other: one token is revoked by a row, and there are none. ` +
        'Take --user or --issued-before.',
    );
  if (problems.length > 0 || target === undefined) throw new ConfigError(problems);
  return deepFreeze({
    command: 'revoke',
    ...shared,
    warnings: [...shared.warnings, ...files.warnings],
    target,
    reason: values.reason,
    yes: values.yes,
    tokenTables,
    pace: {
      nice: values.nice,
      targetBatchMs: values['target-batch-time'],
      batchSize: values['batch-size'] === 'auto' ? undefined : values['batch-size'],
    },
    keys,
    tokens: {
      audience: values.audience,
      issuer: values.issuer,
      names: {
        userId: values['user-id-claim'],
        jti: values['jti-claim'],
        tokenType: values['token-type-claim'],
        slidingEnd: values['sliding-refresh-exp-claim'],
      },
    },
    users: userSettings(values),
  });
}

function targetOf(
  { values, given }: Resolved<typeof REVOKE_OPTIONS>,
  files: FileReader,
  problems: string[],
): RevokeSettings['target'] | undefined {
  const named = TARGETS.filter((flag) => given[flag] !== undefined);
  if (named.length !== 1) {
    // A value that was refused is a problem already, and names what was wanted.
    if (named.length > 1 || problems.length === 0) {
      problems.push(
        'revoke takes one of --user, --session, --jti, --family and --issued-before, ' +
          (named.length === 0
            ? 'and none is given.'
            : `not ${named.map((flag) => `--${flag}`).join(' and ')}.`),
      );
    }
    return undefined;
  }
  if (values.user !== undefined) return { kind: 'user', userKey: values.user };
  if (values.session !== undefined) return { kind: 'session', id: values.session };
  if (values.jti !== undefined) return { kind: 'jti', jti: values.jti };
  if (values['issued-before'] !== undefined) return { kind: 'issued_before', at: values['issued-before'] };
  if (values.family === undefined) return undefined;
  const token = files.read(given.family ?? '--family', values.family)?.trim();
  return token === undefined ? undefined : { kind: 'family', token };
}

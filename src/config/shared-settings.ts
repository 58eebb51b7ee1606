import { resolve as absolutePath } from 'node:path';
import type { Resolved } from './resolve.js';
import type { SharedSettings } from './settings.js';
import type { SHARED_OPTIONS } from './shared-options.js';
import type { Source } from './source.js';
import { unknownVariables } from './unknown-variables.js';

/** The part that all commands share, out of a table that holds the shared options. */
export function sharedSettings(
  { values, given }: Pick<Resolved<typeof SHARED_OPTIONS>, 'values' | 'given'>,
  source: Source,
  problems: string[],
): SharedSettings {
  const url = values['database-url'];
  // A data directory in the environment may be an image's default. One on the command line was meant.
  if (given['data-dir'] === '--data-dir' && given['database-url'] !== undefined) {
    problems.push(
      `--data-dir and ${given['database-url']} exclude each other: the first is for the embedded PostgreSQL. Leave one out.`,
    );
  }
  return {
    database:
      url === undefined
        ? { kind: 'embedded', dataDir: absolutePath(source.cwd, values['data-dir']) }
        : { kind: 'url', url },
    json: values.json,
    quiet: values.quiet,
    logLevel: values['log-level'] ?? (values.quiet ? 'warn' : 'info'),
    warnings: unknownVariables(source.env),
  };
}

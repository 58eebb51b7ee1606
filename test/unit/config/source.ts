import { ConfigError } from '../../../src/config/errors.js';
import type { Source } from '../../../src/config/source.js';

/** Surroundings made up for a test: variables, and files by absolute path. */
export function source(
  env: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
  modes: Readonly<Record<string, number>> = {},
): Source {
  return {
    env,
    cwd: '/srv/app',
    readFile(path) {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return text;
    },
    modeOf: (path) => modes[path],
  };
}

/** All that is said to be wrong, where settings are refused; nothing where they are taken. */
export function problemsOf(settings: () => unknown): readonly string[] {
  try {
    settings();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

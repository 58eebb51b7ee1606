import { ALL_OPTIONS } from './all-options.js';
import { parseEnvFile, type FileVariable } from './env-file-text.js';
import { ConfigError } from './errors.js';
import { FileReader, READ_BY_ALL } from './files.js';
import { variableOf } from './option.js';
import { find, type Environment, type Flags } from './resolve.js';
import { ENV_FILE_OPTION } from './shared-options.js';
import type { Source } from './source.js';

const OPTION = ENV_FILE_OPTION['env-file'];
const VARIABLE = variableOf('env-file');

/**
 * The surroundings with the variables of `--env-file` below those of the environment.
 *
 * @throws {ConfigError} with each line of the file that can't be read, by its number
 */
export function withEnvFile(flags: Flags, source: Source): Source {
  const given = find('env-file', OPTION, flags, source.env);
  const path = given?.texts.at(-1);
  if (given === undefined || path === undefined) return source;
  const problems: string[] = [];
  const files = new FileReader(source, problems);
  const text = files.read(given.name, path);
  if (text === undefined) throw new ConfigError(problems);
  const absolute = files.absolute(path);
  const { variables, faults } = parseEnvFile(text);
  problems.push(...faults.map((fault) => `${given.name}: ${absolute}: ${fault}.`));
  const nested = variables.find(({ name }) => name === VARIABLE);
  if (nested !== undefined)
    problems.push(`${given.name}: ${absolute}: line ${nested.line} names another file. Put all into one.`);
  if (problems.length > 0) throw new ConfigError(problems);
  const mode = source.modeOf?.(absolute) ?? 0;
  return {
    ...source,
    env: layered(variables, source.env),
    file: {
      path: absolute,
      lineOf: new Map(variables.map(({ name, line }) => [name, line])),
      readByAll: (mode & READ_BY_ALL) !== 0 && variables.some(({ name }) => SECRET.has(name)),
    },
  };
}

/** Options that stand for each other: whoever gives one in the environment doesn't want the file's other one. */
const ALTERNATIVES = [
  ['signing-key', 'signing-key-file'],
  ['database-password-file', 'database-password-command'],
] as const;

/** Names that mean the same: of an option in the environment no name counts in the file. */
const GROUPS: readonly (readonly string[])[] = [
  ...ALL_OPTIONS.map(([flag, { customary }]) => [variableOf(flag), ...customary]),
  ...ALTERNATIVES.map((flags) => flags.map(variableOf)),
];

const SECRET = new Set(
  ALL_OPTIONS.filter(([, { sensitive }]) => sensitive)
    .flatMap(([flag, { customary }]) => [variableOf(flag), ...customary])
    .concat('PGPASSWORD'),
);

function layered(variables: readonly FileVariable[], env: Environment): Environment {
  const set = (name: string): boolean => (env[name] ?? '').trim() !== '';
  const beaten = new Set(GROUPS.filter((names) => names.some(set)).flat());
  const below = variables.filter(({ name }) => !set(name) && !beaten.has(name));
  return { ...env, ...Object.fromEntries(below.map(({ name, value }) => [name, value])) };
}

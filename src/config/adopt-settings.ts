import { dirname, join, resolve as absolutePath } from 'node:path';
import { ADOPT_OPTIONS } from './adopt-options.js';
import { ConfigError } from './errors.js';
import { FileReader } from './files.js';
import { deepFreeze } from './freeze.js';
import { resolve, type Flags } from './resolve.js';
import type { AdoptSettings } from './settings.js';
import type { Source } from './source.js';
import { unknownVariables } from './unknown-variables.js';

const KEY_FILE = 'carelink-signing.key';

/** @throws {ConfigError} with everything that is wrong */
export function adoptSettings(flags: Flags, source: Source): AdoptSettings {
  const { values, given, problems: found } = resolve(ADOPT_OPTIONS, flags, source.env);
  const problems = [...found];
  const files = new FileReader(source, problems);
  const facts = values['print-probe'] ? undefined : values.facts;
  if (facts === undefined && !values['print-probe'])
    problems.push(
      'adopt takes --facts FILE, what the probe printed inside Django. Get the probe with `carelink-tokens adopt --print-probe > probe.py`, and run `python manage.py shell < probe.py > facts.json`.',
    );
  if (values['print-probe'] && given.facts === '--facts')
    problems.push(
      '--print-probe and --facts exclude each other: print the probe, run it in Django, then give its facts.',
    );
  const text =
    facts === undefined
      ? undefined
      : files.read(given.facts ?? '--facts', facts === '-' ? '/dev/stdin' : facts);
  const out = values.out === undefined ? undefined : absolutePath(source.cwd, values.out);
  if (problems.length > 0) throw new ConfigError(problems);
  const beside = out === undefined ? source.cwd : dirname(out);
  return deepFreeze<AdoptSettings>({
    command: 'adopt',
    json: values.json,
    quiet: values.quiet,
    logLevel: values['log-level'] ?? 'warn',
    warnings: [...unknownVariables(source), ...files.warnings],
    facts: facts === undefined || text === undefined ? undefined : { path: facts, text },
    out,
    force: values.force,
    userView: values['user-view'],
    accepted: values.accept,
    signingKeyFile:
      values['signing-key-file'] === undefined
        ? join(beside, KEY_FILE)
        : absolutePath(source.cwd, values['signing-key-file']),
  });
}

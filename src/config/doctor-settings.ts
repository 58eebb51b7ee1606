import { DOCTOR_OPTIONS } from './doctor-options.js';
import { ConfigError } from './errors.js';
import { FileReader } from './files.js';
import { deepFreeze } from './freeze.js';
import { resolve, type Flags } from './resolve.js';
import { SERVE_OPTIONS } from './serve-options.js';
import { serveSettings } from './serve-settings.js';
import type { DoctorSettings } from './settings.js';
import type { Source } from './source.js';

/** What `serve` would start with: that is what is looked at. @throws {ConfigError} with everything that is wrong */
export function doctorSettings(flags: Flags, source: Source): DoctorSettings {
  const ofServe = Object.fromEntries(Object.entries(flags).filter(([flag]) => flag !== 'facts'));
  const settings = serveSettings(ofServe, source);
  const { values, given } = resolve(DOCTOR_OPTIONS, flags, source.env);
  if (values.facts === undefined)
    return Object.freeze({ ...settings, command: 'doctor', adoption: undefined });
  const problems: string[] = [];
  const text = new FileReader(source, problems).read(given.facts ?? '--facts', values.facts);
  if (text === undefined) throw new ConfigError(problems);
  const adoption = {
    facts: { path: values.facts, text },
    values: Object.fromEntries(
      Object.keys(SERVE_OPTIONS).map((flag) => [flag, values[flag as keyof typeof values]]),
    ),
  };
  return Object.freeze({ ...settings, command: 'doctor', adoption: deepFreeze(adoption) });
}

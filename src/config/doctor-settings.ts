import type { Flags } from './resolve.js';
import { serveSettings } from './serve-settings.js';
import type { DoctorSettings } from './settings.js';
import type { Source } from './source.js';

/** What `serve` would start with: that is what is looked at. @throws {ConfigError} with everything that is wrong */
export function doctorSettings(flags: Flags, source: Source): DoctorSettings {
  return Object.freeze({ ...serveSettings(flags, source), command: 'doctor' as const });
}

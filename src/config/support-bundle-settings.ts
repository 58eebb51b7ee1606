import { DOCTOR_OPTIONS } from './doctor-options.js';
import { doctorSettings } from './doctor-settings.js';
import { ConfigError } from './errors.js';
import { deepFreeze } from './freeze.js';
import { path } from './kinds.js';
import { inGroup, optional, type Option, type Table } from './option.js';
import { find, resolve, type Flags } from './resolve.js';
import type { DoctorSettings, GivenOption, SupportBundleSettings } from './settings.js';
import type { Source } from './source.js';

/** All that `support-bundle` takes: what `serve` and `doctor` do, and where to write it. */
export const SUPPORT_BUNDLE_OPTIONS = {
  ...inGroup('This run', {
    out: optional(path('file'), {
      help: 'write it there (mode 0600); a file that is there is not written over',
      absentText: 'stdout',
    }),
  }),
  ...DOCTOR_OPTIONS,
};

/**
 * Settings that are wrong are no reason to fail: they may be what the report is about.
 *
 * @throws {ConfigError} where --out itself can't be read
 */
export function supportBundleSettings(flags: Flags, source: Source): SupportBundleSettings {
  const { out: typed, ...ofDoctor } = flags;
  const own = resolve({ out: SUPPORT_BUNDLE_OPTIONS.out }, { out: typed }, source.env);
  if (own.problems.length > 0) throw new ConfigError(own.problems);
  const { settings, problems } = attempt(() => doctorSettings(ofDoctor, source));
  const { options, hidden } = givenOptions(DOCTOR_OPTIONS, ofDoctor, source);
  return deepFreeze({
    command: 'support-bundle',
    json: settings?.json ?? false,
    quiet: settings?.quiet ?? false,
    logLevel: settings?.logLevel ?? 'info',
    warnings: [],
    out: own.values.out,
    doctor: settings,
    problems: [...problems, ...(settings?.warnings ?? [])],
    options,
    hidden,
  });
}

function attempt(read: () => DoctorSettings): {
  readonly settings: DoctorSettings | undefined;
  readonly problems: readonly string[];
} {
  try {
    return { settings: read(), problems: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { settings: undefined, problems: error.problems };
  }
}

/**
 * Kinds of values that tell nothing of a site but how the server is set. Of all others only that they are given is told, so a
 * kind that comes later is hidden until somebody puts it here.
 */
const SHOWN = new Set([
  'path', 'port', 'number', 'duration', 'percent', 'rate', 'claim', 'table', 'column', 'schema',
]); // prettier-ignore

function isShown({ form, sensitive, placeholder, suggests }: Option<unknown>): boolean {
  if (sensitive || form === 'secret') return false;
  return form === 'toggle' || (Array.isArray(suggests) && suggests.length > 0) || SHOWN.has(placeholder);
}

function givenOptions(
  table: Table,
  flags: Flags,
  source: Source,
): { readonly options: readonly GivenOption[]; readonly hidden: readonly string[] } {
  const hidden: string[] = [];
  const options = Object.entries(table).flatMap(([flag, option]): GivenOption[] => {
    const found = find(flag, option, flags, source.env);
    if (found === undefined) return [];
    const shown = isShown(option);
    if (!shown) hidden.push(...found.texts);
    const inFile = source.file?.lineOf.has(found.name) === true && !found.name.startsWith('--');
    const from = inFile ? `${found.name} in --env-file` : found.name;
    return [{ option: flag, from, value: shown ? found.texts.join(',') : undefined }];
  });
  return { options, hidden };
}

import { availableParallelism, freemem, release, totalmem } from 'node:os';
import { CommandError } from '../config/errors.js';
import type { DoctorSettings, GivenOption, SupportBundleSettings } from '../config/settings.js';
import type { Diagnosis } from '../doctor/index.js';
import { inspect } from './doctor.js';
import { redact } from './redact.js';
import { releaseFacts, type ReleaseFacts } from './release-facts.js';

/** What whoever looks into a fault asks for first. No row of a table, no token, no user, no secret. */
export interface SupportBundle {
  readonly madeAt: string;
  readonly release: ReleaseFacts;
  readonly system: {
    readonly kernel: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly freeMemoryBytes: number;
    readonly timeZone: string;
  };
  /** Those that are given; all others are at their defaults. */
  readonly options: readonly (GivenOption & { readonly hidden: boolean })[];
  /** Of the settings. */
  readonly problems: readonly string[];
  /** Or why there was nothing to be found. */
  readonly doctor: readonly Diagnosis[] | { readonly failed: string; readonly message: string };
  readonly migrations: readonly { readonly name: string; readonly state: string }[] | undefined;
}

/** Gathers it. Changes nothing, and never rejects for what is wrong with the set-up: that is what it tells. */
export async function supportBundle(settings: SupportBundleSettings, now: Date): Promise<SupportBundle> {
  const { options, problems, hidden } = settings;
  const found = await examined(settings.doctor);
  const bundle: SupportBundle = {
    madeAt: now.toISOString(),
    release: await releaseFacts(),
    system: {
      kernel: release(),
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      freeMemoryBytes: freemem(),
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    },
    options: options.map((given) => ({ ...given, hidden: given.value === undefined })),
    problems: redact(problems, hidden),
    doctor: redact(found.doctor, hidden),
    migrations: found.migrations,
  };
  return bundle;
}

async function examined(
  settings: DoctorSettings | undefined,
): Promise<Pick<SupportBundle, 'doctor' | 'migrations'>> {
  if (settings === undefined)
    return {
      doctor: { failed: 'CONFIG_INVALID', message: 'The settings are wrong: see problems.' },
      migrations: undefined,
    };
  try {
    const { diagnoses, migrations } = await inspect(settings);
    return { doctor: diagnoses, migrations: migrations?.map(({ name, state }) => ({ name, state })) };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { doctor: { failed: error.code, message: error.message }, migrations: undefined };
  }
}

import { doctorSettings } from '../../config/doctor-settings.js';
import { DOCTOR_OPTIONS } from '../../config/doctor-options.js';
import type { DoctorSettings } from '../../config/settings.js';
import type { Diagnosis } from '../../doctor/index.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';

export const doctorCommand: CommandDescriptor<DoctorSettings> = {
  name: 'doctor',
  group: 'Find faults',
  summary: 'look at configuration, keys, database and Redis, and say what is wrong and how to mend it',
  examples: [
    'DATABASE_URL=postgres://django@db/app CARELINK_SIGNING_KEY=... carelink-tokens doctor',
    'carelink-tokens doctor --json | jq .faults',
    'carelink-tokens doctor --env-file carelink.env --facts facts.json',
  ],
  table: DOCTOR_OPTIONS,
  first: ['env-file', 'database-url', 'redis-url', 'signing-key-file', 'facts'],
  settings: doctorSettings,
  run: doctor,
};

const MARKS: Readonly<Record<Diagnosis['status'], string>> = {
  ok: 'ok',
  note: 'note',
  warning: 'warning',
  fault: 'FAULT',
  unknown: '?',
  unused: '-',
};

async function doctor(settings: DoctorSettings, output: Output): Promise<ExitCode> {
  const { examine } = await import('../../compose/doctor.js');
  const diagnoses = await examine(settings);
  const countOf = (wanted: Diagnosis['status']): number =>
    diagnoses.filter(({ status }) => status === wanted).length;
  const faults = countOf('fault');
  const others = { warnings: countOf('warning'), notes: countOf('note'), unknown: countOf('unknown') };
  output.document({ ok: faults === 0, faults, ...others, checks: diagnoses });
  output.say(...diagnoses.flatMap((diagnosis) => lines(diagnosis, output)));
  output.say(
    '',
    `${[
      faults === 0 ? 'No fault found' : counted(faults, 'fault'),
      ...(others.warnings === 0 ? [] : [counted(others.warnings, 'warning')]),
      ...(others.notes === 0 ? [] : [counted(others.notes, 'note')]),
      ...(others.unknown === 0 ? [] : [`${counted(others.unknown, 'thing')} could not be told`]),
    ].join('; ')}.`,
  );
  return faults === 0 ? 0 : 1;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** What a check says that found nothing. */
function remark({ status, title, why }: Diagnosis): string {
  if (status === 'unused') return 'not configured';
  return status === 'unknown' ? `whether ${title}: can't be told, for ${why ?? 'nothing was read'}` : title;
}

function lines(diagnosis: Diagnosis, output: Output): string[] {
  const { check, status, findings } = diagnosis;
  const head = `${MARKS[status].padEnd(8)} ${check.padEnd(18)}`;
  if (findings.length === 0) return [`${head} ${remark(diagnosis)}`];
  const indent = ' '.repeat(28);
  return findings.flatMap(({ what, mend }, at) => [
    `${at === 0 ? output.strong(head) : ' '.repeat(27)} ${what}`,
    `${indent}-> ${mend}`,
  ]);
}

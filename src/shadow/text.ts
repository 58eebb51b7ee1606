import type { ShadowDocument } from './report.js';

const DROPPED = {
  full: 'too many at once',
  late: 'too late',
  database: 'no answer of the database',
  failed: 'an error here',
} as const;
const UNDECIDED = {
  clock: 'expired just then',
  changing: 'changed just then, or nobody knows when',
  django_failed: 'Django failed',
  unreadable: 'an answer that could not be read',
} as const;

/** The report for people. */
export function reportText(document: ShadowDocument): string {
  const { requests, differences } = document;
  const lines = [
    `Shadow of ${document.shadow_of}, ${uptime(document.uptime_seconds)}`,
    '',
    `  passed on      ${requests.passed}`,
    ...line('unanswered', requests.unanswered.upstream, 'Django gave no answer'),
    `  judged         ${requests.judged}`,
    `    the same     ${requests.same}${requests.raced > 0 ? `, ${requests.raced} of them by a state that changed just then` : ''}`,
    `    different    ${requests.different}`,
    ...counts('undecided', requests.undecided, UNDECIDED, '    '),
    ...counts('not judged', requests.dropped, DROPPED, '  '),
    '',
  ];
  if (differences.length === 0) {
    lines.push(
      document.agrees === null
        ? 'Nothing was judged yet: no request to a token endpoint has come.'
        : 'No difference. This server would have answered as Django did.',
    );
  }
  for (const { code, count, says, mend, example } of differences) {
    lines.push(
      `${code}: ${count} ${count === 1 ? 'request' : 'requests'}`,
      `  ${says}`,
      `  example  ${example.request}`,
      `           Django: ${example.django}`,
      `           here:   ${example.here}`,
      `  mend     ${mend ?? 'no option does: see what adopt says of it'}`,
      '',
    );
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function line(name: string, count: number, why: string): string[] {
  return count === 0 ? [] : [`  ${name.padEnd(15)}${count} (${why})`];
}

function counts<Name extends string>(
  title: string,
  of: Readonly<Record<Name, number>>,
  texts: Readonly<Record<Name, string>>,
  indent: string,
): string[] {
  const names = (Object.keys(of) as Name[]).filter((name) => of[name] > 0);
  if (names.length === 0) return [];
  const all = names.reduce((sum, name) => sum + of[name], 0);
  const told = names.map((name) => `${texts[name]}: ${of[name]}`).join('; ');
  return [`${indent}${title.padEnd(17 - indent.length)}${all} (${told})`];
}

function uptime(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3_600)} h`;
}

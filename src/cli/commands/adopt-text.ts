import type { Row, Verdict } from '../../adopt/index.js';

type Told = Row & { readonly accepted: boolean };

export interface Counts {
  readonly same: number;
  readonly set: number;
  readonly differs: number;
  readonly cannot: number;
  /** Of the last, those that nobody has accepted. */
  readonly left: number;
}

export function countsOf(rows: readonly Told[]): Counts {
  const of = (verdict: Verdict) => rows.filter((row) => row.verdict === verdict).length;
  return {
    same: of('same'),
    set: of('set'),
    differs: of('differs'),
    cannot: of('cannot'),
    left: rows.filter(({ verdict, accepted }) => verdict === 'cannot' && !accepted).length,
  };
}

/** What is lost comes last: there it is on the screen when the table has gone by. */
const ORDER: readonly Verdict[] = ['same', 'set', 'differs', 'cannot'];

const SETTING_WIDTH = 34;
const INDENT = ' '.repeat(9);

/** The table: what it means stands below each setting that asks for a look, so that no column is cut. */
export function tableLines(rows: readonly Told[], strong: (text: string) => string): string[] {
  return ORDER.flatMap((verdict) =>
    rows
      .filter((row) => row.verdict === verdict)
      .flatMap((row) => {
        const mark = row.accepted ? 'accepted' : verdict;
        const head = `${mark.padEnd(8)} ${row.setting.padEnd(SETTING_WIDTH)}`;
        const here = hereOf(row);
        // Of what stays as it is one line is enough.
        if (verdict === 'same')
          return [`${head} ${row.django === '' ? '' : `${row.django}  -  `}${row.means}`];
        return [
          `${verdict === 'cannot' ? strong(head) : head} ${row.django}${here === '' ? '' : `  ->  ${here}`}`,
          `${INDENT}${row.means}`,
        ];
      }),
  );
}

/** As it would be typed. */
function hereOf({ options }: Row): string {
  return Object.entries(options)
    .map(([flag, text]) => (text === 'true' ? `--${flag}` : `--${flag} ${text}`))
    .join(' ');
}

export function verdictLine({ same, set, differs, cannot, left }: Counts): string {
  const parts = [`${same} the same`, `${set} set`, `${differs} otherwise`, `${cannot} lost`];
  const accepted = cannot - left;
  const end =
    left > 0
      ? `${left} to look at: mend each as its line says, or --accept it by its name.`
      : accepted > 0
        ? 'All that is lost was accepted.'
        : 'Nothing is lost.';
  return `${parts.join(', ')}. ${end}`;
}

/** What the operator does next. The key goes from Django into a file that only its owner reads, past terminal and history. */
export function nextSteps(envFile: string, facts: string, keyFile: string): string[] {
  const python = [
    'import os',
    'from rest_framework_simplejwt.settings import api_settings as s',
    'k = s.SIGNING_KEY',
    'k = k if isinstance(k, bytes) else k.encode()',
    `f = os.open(${JSON.stringify(keyFile)}, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)`,
    'os.write(f, k + b"\\n")',
  ].join('; ');
  const [env, told] = [shellWord(envFile), shellWord(facts)];
  return [
    'Next, with your database in DATABASE_URL:',
    '  1. Put the key that Django signs with where the server reads it. In your project:',
    `     python manage.py shell -c ${shellWord(python)}`,
    `  2. carelink-tokens migrate plan --env-file ${env}    # then without plan`,
    `  3. carelink-tokens doctor --env-file ${env} --facts ${told}`,
    `  4. carelink-tokens serve --env-file ${env}`,
  ];
}

function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

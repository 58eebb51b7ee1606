import { variableOf } from '../config/option.js';
import { SERVE_OPTIONS } from '../config/serve-options.js';
import type { ServeFlag } from './verdict.js';

export type Wanted = Readonly<Partial<Record<ServeFlag, string>>>;

/** In the order of the help. */
function inOrder(options: Wanted): (readonly [ServeFlag, string])[] {
  return (Object.keys(SERVE_OPTIONS) as ServeFlag[]).flatMap((flag) => {
    const text = options[flag];
    return text === undefined ? [] : [[flag, text] as const];
  });
}

export function environmentOf(options: Wanted): Readonly<Record<string, string>> {
  return Object.fromEntries(inOrder(options).map(([flag, text]) => [variableOf(flag), text]));
}

/**
 * The text of the file for `--env-file`. It has no secret: of the key only the path.
 *
 * @param madeOf what stands behind `made of` in its first line
 */
export function envFileText(options: Wanted, madeOf: string): string {
  const lines = inOrder(options).map(([flag, text]) => `${variableOf(flag)}=${quoted(text)}`);
  return [
    `# Settings for \`carelink-tokens serve --env-file\`, made of ${madeOf}.`,
    '# `adopt` wrote no secret here. What you add may be one: keep it readable by its owner only.',
    '# A flag beats the environment, and the environment beats this file.',
    '# Give the database in the environment (DATABASE_URL), or here without its password:',
    '#CARELINK_DATABASE_URL=postgres://USER@HOST:5432/DATABASE',
    '#CARELINK_DATABASE_PASSWORD_FILE=/run/secrets/carelink-database-password',
    '',
    ...lines,
    '',
  ].join('\n');
}

/** In quotes where a shell, systemd or a dotenv reader could take it for something else. */
function quoted(text: string): string {
  if (/^[\w./:,@%+*-]+$/.test(text)) return text;
  return /['\n\r\\]/.test(text)
    ? `"${text
        .replace(/[\\"$]/g, '\\$&')
        .replaceAll('\n', '\\n')
        .replaceAll('\r', '\\r')}"`
    : `'${text}'`;
}

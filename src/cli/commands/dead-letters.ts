import type { LetterDesk, ShownLetter } from '../../compose/dead-letters.js';
import { DEAD_LETTERS_OPTIONS } from '../../config/dead-letters-options.js';
import { deadLettersSettings } from '../../config/dead-letters-settings.js';
import type { DeadLettersSettings } from '../../config/settings.js';
import { DEAD_LETTER_ACTIONS } from '../../config/vocabulary.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';

export const deadLettersCommand: CommandDescriptor<DeadLettersSettings> = {
  name: 'dead-letters',
  group: 'Find faults',
  summary: 'rotations that were answered and that the database refuses to write: show, retry or give them up',
  examples: [
    'carelink-tokens dead-letters                  # what there is, and why',
    'carelink-tokens dead-letters retry            # the servers do so by themselves within seconds',
    'carelink-tokens dead-letters drop 17 18       # shows what it means',
    'carelink-tokens dead-letters drop --all --yes',
  ],
  table: DEAD_LETTERS_OPTIONS,
  words: [
    { syntax: '[action]', help: 'list (the default), retry or drop', suggests: DEAD_LETTER_ACTIONS },
    { syntax: '[ids...]', help: 'the letters to retry or drop; retry: all where none are named' },
  ],
  first: ['database-url', 'all', 'yes'],
  settings: deadLettersSettings,
  run: deadLetters,
};

async function deadLetters(settings: DeadLettersSettings, output: Output): Promise<ExitCode> {
  const { onDeadLetters } = await import('../../compose/dead-letters.js');
  return onDeadLetters(settings, (desk) => {
    switch (settings.action) {
      case 'list':
        return list(desk, output);
      case 'retry':
        return retry(desk, settings, output);
      case 'drop':
        return drop(desk, settings, output);
    }
  });
}

async function list(desk: LetterDesk, output: Output): Promise<ExitCode> {
  const letters = await desk.list();
  output.document({ letters: letters.map(documentOf) });
  if (letters.length === 0) output.say('There are none.');
  else output.say(...table(letters));
  return 0;
}

async function retry(desk: LetterDesk, { ids }: DeadLettersSettings, output: Output): Promise<ExitCode> {
  const retried = await desk.retry();
  output.document({ letters: retried });
  const absent = ids?.filter((id) => retried.every((one) => one.id !== id)) ?? [];
  if (absent.length > 0)
    output.warn(`There is no letter ${absent.join(', ')}: it is written already, or was dropped.`);
  for (const one of retried)
    if (one.result === 'refused') output.note(`${one.id}: refused again (${one.code})`);
  const count = (result: string): number => retried.filter((one) => one.result === result).length;
  output.say(`Written: ${count('written')}. Refused again: ${count('refused')}.`);
  if (count('left') > 0)
    output.say(
      `${count('left')} were logged out or spent meanwhile: a server ends what came of them. Is one running?`,
    );
  if (count('unreadable') > 0)
    output.say(`${count('unreadable')} can't be read by this release, and are never written.`);
  if (count('refused') > 0)
    output.say('Mend what the codes tell of first: `carelink-tokens doctor` looks at the sequences.');
  return count('refused') + count('unreadable') > 0 ? 1 : 0;
}

async function drop(desk: LetterDesk, { yes }: DeadLettersSettings, output: Output): Promise<ExitCode> {
  const letters = await desk.list();
  if (letters.length === 0) {
    output.document({ event: 'count', letters: 0 });
    output.say('There are none of these.');
    return 0;
  }
  const users = [...new Set(letters.flatMap(({ user }) => user ?? []))];
  if (!yes) {
    output.document({ event: 'count', letters: letters.length, users });
    output.say(
      ...table(letters),
      '',
      'Dropping a letter gives up its rotation. Once Redis has forgotten it too, the token counts as unspent: whoever holds it',
      'can refresh with it until it expires, beside the successor that was handed out. So log these users out as well:',
      ...users.slice(0, 20).map((user) => `  carelink-tokens revoke --user ${user} --yes`),
      ...(users.length > 20 ? [`  and ${users.length - 20} more: see --json`] : []),
      'Nothing was changed. Add --yes to drop.',
    );
    return 6;
  }
  const dropped = await desk.drop();
  output.document({ event: 'done', dropped, users });
  output.say(`Dropped ${dropped}. Their tokens count as unspent: log the users out (${users.join(', ')}).`);
  return 0;
}

function table(letters: readonly ShownLetter[]): string[] {
  const rows = [
    ['id', 'refused at', 'code', 'jti (digest)', 'user', 'token expires'],
    ...letters.map(({ id, refusedAt, code, jtiDigest = '-', user = '-', expiresAt = '-' }) => [
      id, refusedAt, code, jtiDigest, user, expiresAt,
    ]),
  ]; // prettier-ignore
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function documentOf({ id, refusedAt, code, jtiDigest, user, expiresAt }: ShownLetter): object {
  return {
    id, refused_at: refusedAt, code, jti_digest: jtiDigest ?? null, user: user ?? null, expires_at: expiresAt ?? null,
  }; // prettier-ignore
}

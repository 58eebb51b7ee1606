import { writeFile } from 'node:fs/promises';
import { CommandError } from '../../config/errors.js';
import type { SupportBundleSettings } from '../../config/settings.js';
import { SUPPORT_BUNDLE_OPTIONS, supportBundleSettings } from '../../config/support-bundle-settings.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';
import { snakeCased } from '../snake-case.js';

export const supportBundleCommand: CommandDescriptor<SupportBundleSettings> = {
  name: 'support-bundle',
  group: 'Find faults',
  summary: 'gather what a bug report needs: versions, options without secrets, what doctor finds, migrations',
  examples: [
    'carelink-tokens support-bundle --env-file carelink.env > bundle.json',
    'carelink-tokens support-bundle --env-file carelink.env --out bundle.json',
  ],
  table: SUPPORT_BUNDLE_OPTIONS,
  first: ['env-file', 'database-url', 'out'],
  settings: supportBundleSettings,
  run,
};

async function run(settings: SupportBundleSettings, output: Output): Promise<ExitCode> {
  const { supportBundle } = await import('../../compose/support-bundle.js');
  const bundle = await supportBundle(settings, new Date());
  const text = JSON.stringify(snakeCased(bundle), undefined, 2);
  if (settings.out !== undefined) {
    await write(settings.out, `${text}\n`);
    output.document({ event: 'done', file: settings.out });
    output.note(`The bundle is in ${settings.out}. Read it before you send it.`);
  } else if (settings.json) output.document(snakeCased(bundle));
  else {
    output.verdict(text);
    output.note('Read it before you send it.');
  }
  return 0;
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'there is a file of that name' : code;
    throw new CommandError('FILE_NOT_WRITTEN', 1, `${file} was not written: ${why}.`, { cause });
  }
}

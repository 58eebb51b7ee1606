import { ADOPT_OPTIONS } from '../../config/adopt-options.js';
import { adoptSettings } from '../../config/adopt-settings.js';
import type { AdoptSettings } from '../../config/settings.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';
import { countsOf, nextSteps, tableLines, verdictLine } from './adopt-text.js';

export const adoptCommand: CommandDescriptor<AdoptSettings> = {
  name: 'adopt',
  group: 'Set up',
  summary: 'read a Django project, and say what carelink-tokens keeps of it; writes the settings for serve',
  examples: [
    'carelink-tokens adopt --print-probe > probe.py',
    'python manage.py shell < probe.py > facts.json',
    'carelink-tokens adopt --facts facts.json --out carelink.env',
  ],
  table: ADOPT_OPTIONS,
  first: ['print-probe', 'facts', 'out', 'accept', 'user-view'],
  settings: adoptSettings,
  run,
};

/** 0: nothing is lost, or what is lost was accepted; 1: a `cannot` is left. */
async function run(settings: AdoptSettings, output: Output): Promise<ExitCode> {
  const { judgeSite, readProbe, writeEnvFile } = await import('../../compose/adopt.js');
  const { facts, out, force, accepted } = settings;
  if (facts === undefined) {
    const probe = await readProbe();
    output.document({ probe });
    output.verdict(probe.trimEnd());
    return 0;
  }
  const adoption = judgeSite(facts, settings);
  const rows = adoption.rows.map((row) => ({
    ...row,
    accepted: row.verdict === 'cannot' && accepted.includes(row.setting),
  }));
  for (const name of accepted) {
    if (!rows.some((row) => row.accepted && row.setting === name))
      output.warn(`--accept ${name}: nothing of that name is lost. Names are in the column of settings.`);
  }
  const written =
    out === undefined ? undefined : await writeEnvFile(out, adoption, { madeOf: facts.path, force });
  const counts = countsOf(rows);
  output.document({ ok: counts.left === 0, ...counts, env_file: out, rows, options: adoption.options });
  output.say(...tableLines(rows, (text) => output.strong(text)), '');
  if (out !== undefined && written !== undefined) {
    const said = written === 'written' ? 'The settings are in' : 'The same settings were there already:';
    output.say(`${said} ${out}`, '', ...nextSteps(out, facts.path, settings.signingKeyFile), '');
  }
  output.verdict(verdictLine(counts));
  return counts.left === 0 ? 0 : 1;
}

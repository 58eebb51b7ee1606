import { ConfigError } from '../config/errors.js';
import { serveSettings } from '../config/serve-settings.js';
import { corsRows, djRestAuthRows } from './edge-verdicts.js';
import { environmentOf, type Wanted } from './env-file.js';
import type { Facts } from './facts.js';
import { databaseRows, tableRows } from './rotation-verdicts.js';
import { settingRows } from './settings-verdicts.js';
import type { Choices, Site } from './site.js';
import { siteRows } from './site-verdicts.js';
import { userRows } from './user-verdicts.js';
import { cannot, type Row } from './verdict.js';
import { viewRows } from './view-verdicts.js';

export { compareWith } from './compare.js';
export { envFileText } from './env-file.js';
export { FactsError, parseFacts, type Facts } from './facts.js';
export { SETTING_JUDGES } from './settings-verdicts.js';
export type { Choices } from './site.js';
export type { Row, Verdict } from './verdict.js';

export interface Adoption {
  readonly rows: readonly Row[];
  /** Texts of all options that are to be set. */
  readonly options: Wanted;
}

/** What becomes of each setting of a Django project, and the options that keep them. Pure, and never throws. */
export function adopt(facts: Facts, choices: Choices): Adoption {
  const site: Site = { facts, choices };
  const rows = [
    ...facts.problems.map(({ section, error }) =>
      cannot(
        `probe: ${section}`,
        error,
        'It could not be read in Django, so nothing is known of it. Mend it, and run the probe again.',
      ),
    ),
    ...viewRows(site),
    ...tableRows(site),
    ...settingRows(site),
    ...userRows(site),
    ...djRestAuthRows(site),
    ...corsRows(site),
    ...siteRows(site),
    ...databaseRows(site),
  ];
  const options = Object.assign({}, ...rows.map((row) => row.options)) as Wanted;
  return { rows: [...rows, ...refusedTogether(options)], options };
}

/** Options that are fine one by one can exclude each other: `serve` itself is asked, with a stand-in for what is secret. */
function refusedTogether(options: Wanted): Row[] {
  const env = { ...environmentOf(options), CARELINK_DATABASE_URL: 'postgres://user@localhost/database' };
  try {
    serveSettings({}, { env, cwd: '/', readFile: () => 'a stand-in for the key, long enough' });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems
      .filter((problem) => !/a signing key is required|needs a private key/.test(problem))
      .map((problem) => cannot('these settings together', '', problem));
  }
}

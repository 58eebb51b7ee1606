import type { Migration } from './files.js';
import type { Picture } from './picture.js';
import type { Standing } from './standing.js';

/** A later version of the trigger is at the place of the first one, too. */
const isAt = (found: string, place: string): boolean => found === place || found.startsWith(`${place} v`);

/** Its SQL replaces what is there: so it is run again where one is missing, was switched off, or is another release's. */
export function judgeTriggers(migration: Migration, { ledger, triggers }: Picture): Standing {
  const entry = ledger.get(migration.name);
  const pending = (detail?: string): Standing => ({
    migration,
    state: 'pending',
    action: 'run',
    ...(detail === undefined ? {} : { detail }),
  });
  if (entry === undefined) return pending();
  if (entry.checksum !== migration.checksum) return pending('another release of the tool made them');
  const missing = (entry.definition ?? '')
    .split(', ')
    .filter((place) => !triggers.some((one) => one.enabled && isAt(one.place, place)));
  return missing.length === 0
    ? { migration, state: 'applied', action: 'nothing' }
    : pending(`missing or switched off: ${missing.join(', ')}`);
}

import type { Migration } from './files.js';
import type { Picture } from './picture.js';
import { toRun, type Standing } from './standing.js';

/**
 * Settings that somebody made before are his: only what isn't set at all is set, and only what is still as it was set
 * is reset.
 */
export function judgeSettings(migration: Migration, picture: Picture): Standing {
  const entry = picture.ledger.get(migration.name);
  const wanted = picture.wanted.get(migration.name);
  const table = picture.tables.find(({ name }) => name === migration.tables[0]);
  if (wanted?.kind !== 'settings' || table === undefined) {
    return toRun(migration, 'its table does not exist yet');
  }
  if (entry?.state === 'applied') {
    const ours = parseParameters(entry.definition ?? '');
    const changed = [...ours].filter(([name, value]) => table.parameters.get(name) !== value);
    // Dropped and made anew: nobody has taken anything back.
    const anew = picture.home !== undefined && picture.home.oids.get(table.name) !== table.oid;
    if (anew && changed.length === ours.size) {
      const parameters = new Map([...wanted.parameters].filter(([name]) => !table.parameters.has(name)));
      if (parameters.size > 0)
        return { migration, state: 'pending', action: 'run', parameters, detail: 'its table was made anew' };
    }
    if (changed.length > 0) {
      const detail =
        `changed since: ${changed.map(([name]) => name).join(', ')}; it is left alone: migrate down ` +
        `${migration.name} and migrate again keep the change, and look after the rest`;
      return { migration, state: 'drifted', action: 'leave', detail };
    }
    if (entry.checksum === migration.checksum) return { migration, state: 'applied', action: 'nothing' };
    const detail = 'its file is not the one that was applied';
    return { migration, state: 'drifted', action: 'leave', detail };
  }
  const parameters = new Map([...wanted.parameters].filter(([name]) => !table.parameters.has(name)));
  if (parameters.size > 0) return { migration, state: 'pending', action: 'run', parameters };
  const coveredBy = `the settings of ${table.name}`;
  return entry === undefined
    ? { migration, state: 'pending', action: 'cover', coveredBy }
    : { migration, state: 'covered', action: 'nothing', coveredBy };
}

/** `name = value, name = value`, as SQL and the ledger write it. */
export function formatParameters(parameters: ReadonlyMap<string, string>): string {
  return [...parameters].map(([name, value]) => `${name} = ${value}`).join(', ');
}

export function parseParameters(text: string): Map<string, string> {
  const pairs = text.split(', ').map((pair) => pair.split(' = '));
  return new Map(pairs.flatMap(([name, value]) => (name && value ? [[name, value] as const] : [])));
}

import type { Migration } from './files.js';
import type { Picture } from './picture.js';
import { isApplied, toRun, type Standing } from './standing.js';

/** Its SQL replaces what is there: so it is run again where one is missing, or was made for other tables. */
export function judgeFunctions(migration: Migration, picture: Picture): Standing {
  const entry = picture.ledger.get(migration.name);
  if (entry === undefined) return toRun(migration);
  if (entry.checksum !== migration.checksum) return toRun(migration, 'another release of the tool made it');
  const missing = migration.functions?.filter((name) => !picture.functions.has(name)) ?? [];
  if (missing.length > 0) return toRun(migration, `missing: ${missing.join('; ')}`);
  const { userFunction } = picture;
  if (userFunction === undefined) return isApplied(migration);
  if ('unusable' in userFunction) return toRun(migration, userFunction.unusable);
  const was = entry.definition ?? '';
  const others = userFunction.said
    ? was !== userFunction.definition
    : tablesOf(was) !== tablesOf(userFunction.definition);
  return others ? toRun(migration, `it was made for other tables or columns: ${was}`) : isApplied(migration);
}

/** What of a definition doesn't depend on options. */
function tablesOf(definition: string): string {
  return definition.split('; ').slice(0, 3).join('; ');
}

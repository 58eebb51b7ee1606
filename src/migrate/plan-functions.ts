import type { Migration } from './files.js';
import type { Picture } from './picture.js';
import type { Standing } from './standing.js';

/** Its SQL replaces what is there: so it is run again where one is missing, or was made for other tables. */
export function judgeFunctions(migration: Migration, picture: Picture): Standing {
  const entry = picture.ledger.get(migration.name);
  const pending = (detail?: string): Standing => ({
    migration,
    state: 'pending',
    action: 'run',
    ...(detail === undefined ? {} : { detail }),
  });
  if (entry === undefined) return pending();
  if (entry.checksum !== migration.checksum) return pending('another release of the tool made it');
  const missing = migration.functions?.filter((name) => !picture.functions.has(name)) ?? [];
  if (missing.length > 0) return pending(`missing: ${missing.join('; ')}`);
  const { userFunction } = picture;
  if (userFunction === undefined) return { migration, state: 'applied', action: 'nothing' };
  if ('unusable' in userFunction) return pending(userFunction.unusable);
  const was = entry.definition ?? '';
  const others = userFunction.said
    ? was !== userFunction.definition
    : tablesOf(was) !== tablesOf(userFunction.definition);
  return others
    ? pending(`it was made for other tables or columns: ${was}`)
    : { migration, state: 'applied', action: 'nothing' };
}

/** What of a definition doesn't depend on options. */
function tablesOf(definition: string): string {
  return definition.split('; ').slice(0, 3).join('; ');
}

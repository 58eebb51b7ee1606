import type { Migration } from './files.js';
import type { Picture } from './picture.js';
import { isApplied, toRun, type Standing } from './standing.js';

/** A later version of the trigger is at the place of the first one, too. */
const isAt = (found: string, place: string): boolean => found === place || found.startsWith(`${place} v`);

/** Its SQL replaces what is there: so it is run again where one is missing, was switched off, or is another release's. */
export function judgeTriggers(migration: Migration, picture: Picture): Standing {
  const { ledger, triggers } = picture;
  const entry = ledger.get(migration.name);
  if (entry === undefined) return toRun(migration);
  if (entry.checksum !== migration.checksum) return toRun(migration, 'another release of the tool made them');
  const missing = (entry.definition ?? '')
    .split(', ')
    .filter((place) => !triggers.some((one) => one.enabled && isAt(one.place, place)));
  if (missing.length > 0) return toRun(migration, `missing or switched off: ${missing.join(', ')}`);
  const others = otherTables(migration, picture) ?? otherUsers(migration, picture);
  return others === undefined ? isApplied(migration) : toRun(migration, others);
}

/** The blacklist, in SQL's words. */
export function blacklistOf({ tables }: Pick<Picture, 'tables'>): string | undefined {
  return tables.find(({ name }) => name === 'token_blacklist_blacklistedtoken')?.qualifiedName;
}

/** An older release let a second Django have them: what they tell is read from the tables of the one that came last. */
function otherTables({ name }: Migration, picture: Picture): string | undefined {
  if (name !== 'notify_changes') return undefined;
  const blacklist = blacklistOf(picture);
  const astray = picture.triggers.find(
    ({ place }) => /_tell_blacklisted on /.test(place) && !place.endsWith(` on ${blacklist ?? ''}`),
  );
  return astray && `on another Django's table: ${astray.place}`;
}

/** What is made of users is made of what an earlier run said of them: how that differs from what this one says. */
function otherUsers({ name }: Migration, { users, triggers }: Picture): string | undefined {
  if (users === undefined) return undefined;
  if ('unusable' in users) return users.unusable;
  const found = triggers.find(({ place }) => isAt(place, users.place));
  if (name === 'notify_changes') {
    if (found !== undefined)
      return users.said && found.compares !== users.compares
        ? `it compares other columns: ${found.compares ?? 'unknown'}`
        : undefined;
    const onOthers = triggers.some(({ compares }) => compares !== null);
    return users.said || !onOthers ? `not there: ${users.place}` : undefined;
  }
  if (found === undefined || users.version === undefined || !users.said) return undefined;
  return found.place === users.version ? undefined : `it compares another column: ${found.place}`;
}

import { interchangeable, sameDefinition, type IndexFacts } from './coverage.js';
import type { TableFacts } from './catalog.js';
import type { Migration } from './files.js';
import type { LedgerEntry } from './ledger.js';
import type { Picture } from './picture.js';
import { parseParameters } from './plan-settings.js';

/** What `down` does with one migration, decided from what is there. */
export type Undoing =
  /** Nothing of it is there: it only leaves the ledger. */
  | { readonly kind: 'forget'; readonly detail: string }
  | { readonly kind: 'keep'; readonly detail: string }
  /** It isn't what this tool made. */
  | { readonly kind: 'leave'; readonly detail: string }
  | { readonly kind: 'drop_index'; readonly index: IndexFacts; readonly table: TableFacts; readonly sql: string }
  | { readonly kind: 'run'; readonly sql: string }; // prettier-ignore

/** @param dropTables drop tables too, with all that is in them */
export function judgeUndoing(
  migration: Migration,
  entry: LedgerEntry,
  picture: Picture,
  { dropTables }: { readonly dropTables: boolean },
): Undoing {
  if (entry.state === 'covered') {
    const detail = `it was covered by ${entry.coveredBy ?? 'another'}: nothing had been built`;
    return { kind: 'forget', detail };
  }
  switch (migration.kind) {
    case 'index':
      return judgeIndex(migration, entry, picture);
    case 'settings':
      return judgeSettings(migration, entry, picture);
    case 'triggers':
    case 'functions':
      return { kind: 'run', sql: migration.down };
    case 'schema':
    case 'tables':
      return dropTables
        ? { kind: 'run', sql: migration.down }
        : { kind: 'keep', detail: 'it holds data; --drop-tables drops it' };
  }
}

function judgeIndex({ name, tables }: Migration, entry: LedgerEntry, picture: Picture): Undoing {
  const index = picture.indexes.find((one) => one.name === name);
  const table = picture.tables.find((one) => one.name === tables[0]);
  if (index === undefined || table === undefined) return { kind: 'forget', detail: 'it was gone already' };
  const wanted = picture.wanted.get(name);
  // What an interrupted build left has no definition in the ledger, and is invalid or has just become valid.
  const isOurs =
    entry.state === 'applied'
      ? sameDefinition(entry.definition, index.definition) ||
        (wanted?.kind === 'index' && interchangeable(wanted.index, index))
      : !index.valid || (wanted?.kind === 'index' && interchangeable(wanted.index, index));
  return isOurs
    ? { kind: 'drop_index', index, table, sql: `DROP INDEX CONCURRENTLY ${index.qualifiedName}` }
    : { kind: 'leave', detail: `it isn't what this tool built, and stays: "${index.definition}"` };
}

function judgeSettings({ tables }: Migration, entry: LedgerEntry, picture: Picture): Undoing {
  const table = picture.tables.find((one) => one.name === tables[0]);
  const ours = [...parseParameters(entry.definition ?? '')]
    .filter(([name, value]) => table?.parameters.get(name) === value)
    .map(([name]) => name);
  return table === undefined || ours.length === 0
    ? { kind: 'forget', detail: 'all of it was changed by somebody since' }
    : { kind: 'run', sql: `ALTER TABLE ${table.qualifiedName} RESET (${ours.join(', ')})` };
}

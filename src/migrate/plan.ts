import { bestCover, interchangeable, sameDefinition, shortfall, type IndexFacts } from './coverage.js';
import type { Migration } from './files.js';
import type { LedgerEntry } from './ledger.js';
import type { Picture } from './picture.js';
import { judgeSettings } from './plan-settings.js';
import { isApplied, toRun, type Standing } from './standing.js';
import { judgeFunctions } from './plan-functions.js';
import { judgeTriggers } from './plan-triggers.js';

export interface PlanOptions {
  /** Build an index though another one covers it. */
  readonly buildCovered: boolean;
}

/** Where a migration stands, and what is to be done about it. */
export function judge(migration: Migration, picture: Picture, options: PlanOptions): Standing {
  switch (migration.kind) {
    case 'schema':
      return judgeSchema(migration, picture);
    case 'tables':
      return judgeTables(migration, picture);
    case 'settings':
      return judgeSettings(migration, picture);
    case 'triggers':
      return judgeTriggers(migration, picture);
    case 'functions':
      return judgeFunctions(migration, picture);
    case 'index':
      return judgeIndex(migration, picture, options);
  }
}

/**
 * The same for all of them, in order. What would be built covers what comes after it: `plan` says what `up` will do.
 */
export function judgeAll(
  migrations: readonly Migration[],
  picture: Picture,
  options: PlanOptions,
): Standing[] {
  const indexes = [...picture.indexes];
  return migrations.map((migration) => {
    const standing = judge(migration, { ...picture, indexes }, options);
    if (standing.action === 'build' && standing.wanted !== undefined) {
      const at = indexes.findIndex(({ name }) => name === migration.name);
      if (at >= 0) indexes.splice(at, 1);
      indexes.push(standing.wanted);
    }
    return standing;
  });
}

function judgeSchema(migration: Migration, { ledger, ours }: Picture): Standing {
  const entry = ledger.get(migration.name);
  if (entry !== undefined && migration.makes !== undefined && !ours.has(migration.makes)) {
    return toRun(migration, `somebody dropped ${migration.makes}`);
  }
  if (entry === undefined && migration.makes !== undefined && ours.has(migration.makes)) {
    const detail = `${migration.makes} is there, and the ledger doesn't know of it: \`carelink-tokens migrate repair\` writes it down`;
    return { migration, state: 'drifted', action: 'leave', detail };
  }
  return judgeOnce(migration, entry);
}

function judgeOnce(migration: Migration, entry: LedgerEntry | undefined): Standing {
  if (entry === undefined) return toRun(migration);
  if (entry.checksum === migration.checksum) return isApplied(migration);
  return { migration, state: 'drifted', action: 'leave', detail: CHANGED_FILE };
}

const CHANGED_FILE =
  'the ledger has it with another checksum: it was applied by another release of the tool, from an edited file, or the ledger ' +
  'was altered; if what is there is as it should be, `carelink-tokens migrate repair` writes that down';

function judgeTables(migration: Migration, { tables, ledger }: Picture): Standing {
  const entry = ledger.get(migration.name);
  const there = migration.tables.filter((name) => tables.some((table) => table.name === name));
  if (there.length < migration.tables.length) {
    return toRun(migration, entry === undefined ? undefined : 'the tables are gone');
  }
  if (entry?.state === 'applied') return judgeOnce(migration, entry);
  const coveredBy = there.join(', ');
  return entry === undefined
    ? { migration, state: 'pending', action: 'cover', coveredBy }
    : { migration, state: 'covered', action: 'nothing', coveredBy };
}

function judgeIndex(migration: Migration, picture: Picture, { buildCovered }: PlanOptions): Standing {
  const entry = picture.ledger.get(migration.name);
  const wanted = picture.wanted.get(migration.name);
  if (wanted?.kind !== 'index') {
    return { migration, state: 'pending', action: 'build', detail: 'its table does not exist yet' };
  }
  const own = picture.indexes.find(({ name }) => name === migration.name);
  const found = { migration, wanted: wanted.index, ...(own === undefined ? {} : { own }) };
  if (own !== undefined && !own.valid) {
    const detail =
      'a build that did not end left it; it costs writes and answers nothing until migrate builds it anew';
    return { ...found, state: 'invalid', action: 'build', detail };
  }
  if (own !== undefined) return judgeOwn(found, own, entry);

  const cover = bestCover(wanted.index, picture.indexes);
  if (cover !== undefined && !buildCovered) {
    const noted = entry?.state === 'covered';
    const state = noted ? 'covered' : 'pending';
    const detail = entry?.state === 'applied' ? goneSince(entry) : undefined;
    return {
      ...found,
      state,
      ...(detail === undefined ? {} : { detail }),
      action: entry?.coveredBy === cover.name ? 'nothing' : 'cover',
      coveredBy: cover.name,
    };
  }
  if (cover !== undefined && entry?.state === 'covered') {
    return { ...found, state: 'covered', action: 'build', coveredBy: cover.name };
  }
  const detail = goneSince(entry);
  return { ...found, state: 'pending', action: 'build', ...(detail === undefined ? {} : { detail }) };
}

const LEFT_ALONE = 'it is left alone: rename it or drop it, and migrate builds the other';

/** There is a valid index of its name. */
function judgeOwn(
  found: Pick<Standing, 'migration' | 'own'> & { readonly wanted: IndexFacts },
  own: IndexFacts,
  entry: LedgerEntry | undefined,
): Standing {
  const { migration, wanted } = found;
  if (entry?.state === 'applied') {
    // With another fillfactor, in another tablespace, or in a schema that was renamed it does its work all the same.
    if (!sameDefinition(entry.definition, own.definition) && shortfall(wanted, own) !== undefined) {
      const detail = `it was built as "${entry.definition ?? ''}" and is "${own.definition}"; ${LEFT_ALONE}`;
      return { ...found, state: 'drifted', action: 'leave', detail };
    }
    if (entry.checksum !== migration.checksum) {
      return { ...found, state: 'drifted', action: 'leave', detail: CHANGED_FILE };
    }
    const detail = sameDefinition(entry.definition, own.definition)
      ? {}
      : { detail: `changed since, and does its work: "${own.definition}"` };
    return { ...found, state: 'applied', action: 'nothing', ...detail };
  }
  const lacks = shortfall(wanted, own);
  if (lacks !== undefined) {
    const detail = `an index of this name exists and is another one (${lacks}): "${own.definition}"; ${LEFT_ALONE}`;
    return { ...found, state: 'drifted', action: 'leave', detail };
  }
  // One that does more than was asked for isn't what the broken-off run was building.
  if (entry?.state === 'building' && interchangeable(wanted, own)) {
    return { ...found, state: 'pending', action: 'adopt' };
  }
  // Made by hand, as by who followed the original note: it is used, and never undone.
  const coveredBy = own.name;
  return entry?.coveredBy === coveredBy
    ? { ...found, state: 'covered', action: 'nothing', coveredBy }
    : { ...found, state: 'pending', action: 'cover', coveredBy };
}

function goneSince(entry: LedgerEntry | undefined): string | undefined {
  if (entry?.state === 'applied') return 'it was built, and somebody dropped or renamed it';
  if (entry?.state === 'covered')
    return `${entry.coveredBy ?? 'what covered it'} covered it, and does no longer`;
  return undefined;
}

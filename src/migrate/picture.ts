import { readIndexes, readTables, type TableFacts } from './catalog.js';
import type { IndexFacts } from './coverage.js';
import { MigrateError } from './errors.js';
import type { Migration } from './files.js';
import { readLedger, type Ledger } from './ledger.js';
import type { Session } from './session.js';
import { notOwner } from './preflight.js';
import { readTriggers, type TriggerFacts } from './triggers.js';
import { readWanted, type Wanted } from './wanted.js';

/** All that a decision about a migration rests on, read in one go. */
export interface Picture {
  /** Those that exist. */
  readonly tables: readonly TableFacts[];
  readonly indexes: readonly IndexFacts[];
  readonly ledger: Ledger;
  /** This tool's own. */
  readonly triggers: readonly TriggerFacts[];
  /** By the migration's name; absent where its table doesn't exist yet. */
  readonly wanted: ReadonlyMap<string, Wanted>;
}

/** The tables that migrations are about: simplejwt's two. */
export function subjectsOf(migrations: readonly Migration[]): string[] {
  return [...new Set(migrations.flatMap(({ tables }) => tables))];
}

/** @throws MigrateError UNSAFE where the role may not even read the tables */
export async function readPicture(session: Session, migrations: readonly Migration[]): Promise<Picture> {
  const tables = await readTables(session, subjectsOf(migrations));
  const hidden = tables.find(({ readable }) => !readable);
  if (hidden !== undefined) throw new MigrateError('UNSAFE', notOwner(hidden));
  return {
    tables,
    indexes: await readIndexes(
      session,
      tables.map(({ oid }) => oid),
    ),
    ledger: await readLedger(session),
    triggers: await readTriggers(session),
    wanted: await readWanted(session, migrations, tables),
  };
}

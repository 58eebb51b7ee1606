import {
  elsewhere,
  howToReach,
  notHome,
  otherHome,
  readTokenTablePlaces,
  type TokenTablePlaces,
} from '../store/token-tables.js';
import { MigrateError } from './errors.js';
import type { Migration } from './files.js';
import { askSession, type Session } from './session.js';

/** The tables that our work was done on, as `carelink.home` has them. */
export interface Home {
  readonly schema: string;
  /** By the table's name. */
  readonly oids: ReadonlyMap<string, number>;
}

/** The migration that makes the table; in the ledger under this name. */
const HOME = 'home';

/**
 * Refuses a database whose schema `carelink` belongs to another Django schema than the connection leads to, or of which
 * that can't be told. It is written down by migrate alone; before that it belongs to the schema its triggers are on.
 *
 * @param asked --home-schema
 * @throws MigrateError UNSAFE
 */
export async function refuseOtherHome(session: Session, asked: string | undefined): Promise<void> {
  const places = await readTokenTablePlaces(askSession(session));
  const why = reasonAgainst(places, asked);
  if (why !== undefined) throw new MigrateError('UNSAFE', why);
}

/** Pure. Undefined: nothing is against it. */
function reasonAgainst(places: TokenTablePlaces, asked: string | undefined): string | undefined {
  const { found, sets, home, homeUnwritten, triggersIn, currentSchema, migrated, searchPath, role } = places;
  // Where the tables are to be made, if they are.
  const schema = found?.schema ?? currentSchema;
  if (asked !== undefined && asked !== schema) {
    return `--home-schema is ${asked}, and the connection leads to ${schema ?? 'no schema'}. Give both the same: ?options=-c%20search_path%3D${encodeURIComponent(asked)} in the URL.`;
  }
  const other = otherHome(places) ?? (home !== undefined && home !== schema ? home : undefined);
  if (other !== undefined) {
    const gone = !sets.some((set) => set.schema === other);
    if (!gone || triggersIn.includes(other)) return notHome(places, other);
    // The schema was renamed, or its tables moved: whether it is the same Django only its operator knows.
    if (asked === schema) return undefined;
    return (
      `The schema carelink of this database belongs to Django's tables in ${other}, which has none any more; this connection leads ` +
      `to ${schema ?? 'no schema'}. If ${other} was renamed, or its tables were moved: run this with --home-schema ${schema ?? ''}. ` +
      'If this is another Django, give it a database of its own.'
    );
  }
  const others = elsewhere(places);
  if (found === undefined && others.length > 0 && migrated) {
    return `No table of simplejwt is in the search path (${searchPath}), but there is ${others.join(', ')}. ${howToReach(sets[0]?.schema ?? '', role)}`;
  }
  if (found === undefined || others.length === 0 || asked !== undefined) return undefined;
  if (home !== undefined || !homeUnwritten || triggersIn.includes(found.schema)) return undefined;
  return (
    `Django's tables are in more than one schema: the connection leads to ${found.schema}, and there are ${others.join(', ')}. ` +
    `One database serves one Django schema, and which one it is can't be told. If it is ${found.schema}: run this with ` +
    `--home-schema ${found.schema}. A set that nobody uses, as one made by mistake with --create-tables, is best dropped first.`
  );
}

/** What is written down; undefined: nothing yet. */
export async function readHome(session: Session): Promise<Home | undefined> {
  const [table] = await session.query<{ there: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = '${session.own}' AND c.relname = 'home') AS there`,
  );
  if (table?.there !== true) return undefined;
  const [row] = await session.query<{ schema: string; outstanding: number; blacklisted: number }>(
    `SELECT schema, outstanding, blacklisted FROM ${session.own}.home`,
  );
  if (row === undefined) return undefined;
  return {
    schema: row.schema,
    oids: new Map([
      ['token_blacklist_outstandingtoken', row.outstanding],
      ['token_blacklist_blacklistedtoken', row.blacklisted],
    ]),
  };
}

/** Writes it down, after the step that makes the table or finds it made. To be called under the lock of all runners. */
export async function recordHome(session: Session, { name }: Migration): Promise<void> {
  if (name !== HOME) return;
  const places = await readTokenTablePlaces(askSession(session));
  const { found } = places;
  if (found?.outstanding === undefined || found.blacklisted === undefined) return;
  await session.query(
    `INSERT INTO ${session.own}.home AS h (schema, outstanding, blacklisted)
     SELECT n.nspname, o.oid, b.oid
       FROM pg_namespace n
       JOIN pg_class o ON o.relnamespace = n.oid AND o.relname = $2
       JOIN pg_class b ON b.relnamespace = n.oid AND b.relname = $3
      WHERE n.nspname = $1
     ON CONFLICT (one) DO UPDATE
        SET schema = excluded.schema, outstanding = excluded.outstanding, blacklisted = excluded.blacklisted
      WHERE (h.schema, h.outstanding, h.blacklisted)
            IS DISTINCT FROM (excluded.schema, excluded.outstanding, excluded.blacklisted)`,
    [found.schema, found.outstanding.name, found.blacklisted.name],
  );
}

import { DEFAULT_OWN } from '../store/own-schema.js';
import type { OwnSchema } from '../store/own-schemas.js';
import {
  allTables,
  elsewhere,
  howToReach,
  readTokenTablePlaces,
  tablesThere,
  unsettled,
  type TokenTablePlaces,
} from '../store/token-tables.js';
import { MigrateError } from './errors.js';
import { askSession, type Session } from './session.js';

/** The tables that our work was done on, as the table `home` has them. */
export interface Home {
  readonly schema: string;
  /** By the table's name. */
  readonly oids: ReadonlyMap<string, number>;
}

/** The migration that makes the table; in the ledger under this name. */
export const HOME = 'home';

export interface Place {
  /** --home-schema: the Django schema of this connection, where it can't be told which of ours is its. */
  readonly home?: string;
  readonly tokenTables?: boolean;
}

/**
 * The schema of ours that a run is about, or that it is to make.
 *
 * @throws MigrateError UNSAFE where it can't be told; it says what settles it
 * @throws SchemaError TABLES_THERE
 */
export async function settleOwn(session: Session, { home, tokenTables = true }: Place): Promise<string> {
  const places = await readTokenTablePlaces(askSession(session));
  if (!tokenTables) {
    const there = allTables(places);
    if (there.length > 0) throw tablesThere(there);
    return DEFAULT_OWN;
  }
  const settled = settle(places, home);
  if ('own' in settled) return settled.own;
  throw new MigrateError('UNSAFE', settled.why);
}

/** Pure. */
function settle(
  places: TokenTablePlaces,
  asked: string | undefined,
): { readonly own: string } | { readonly why: string } {
  const { found, sets, owns, standing, currentSchema, searchPath, role } = places;
  // Where the tables are to be made, if they are.
  const schema = found?.schema ?? currentSchema;
  if (asked !== undefined && asked !== schema)
    return {
      why: `--home-schema is ${asked}, and the connection leads to ${schema ?? 'no schema'}. Give --schema ${asked}, too.`,
    };
  const others = elsewhere(places);
  if (found === undefined && others.length > 0 && owns.some(({ migrated }) => migrated))
    return {
      why: `No table of simplejwt is in the search path (${searchPath}), but there is ${others.join(', ')}. ${howToReach(sets[0]?.schema ?? '', role)}`,
    };
  switch (standing.kind) {
    case 'several':
      return { why: unsettled(places, standing) };
    case 'moved':
      return asked === undefined ? { why: unsettled(places, standing) } : { own: standing.own };
    case 'own':
      return standing.sure ? { own: standing.own } : unsure(places, standing.own, asked);
    case 'none':
      return standing.orphans.length === 0
        ? { own: standing.own }
        : orphaned(standing.orphans, schema ?? '', asked);
  }
}

/** Several Django schemas, one of ours, and nothing that tells whose that is. */
function unsure(
  places: TokenTablePlaces,
  own: string,
  asked: string | undefined,
): { readonly own: string } | { readonly why: string } {
  const schema = places.found?.schema ?? places.currentSchema ?? '';
  if (places.owns.some(({ name, hidden }) => name === own && hidden))
    return {
      why:
        `The role ${places.role} may not look into the schema ${own}, so it can't be told which Django's it is. As its owner, ` +
        `run \`GRANT USAGE ON SCHEMA ${own} TO ${places.role}\`: it then sees the name of that Django schema, and no more.`,
    };
  if (asked !== undefined) return { own };
  const others = places.sets.filter((set) => set.schema !== schema).map((set) => set.schema);
  return {
    why:
      `Django's tables are in more than one schema: the connection leads to ${schema}, and there are ${elsewhere(places).join(', ')}. ` +
      `Which of them the schema ${own} belongs to can't be told; what was revoked is written down there. If it is ${schema}: run this ` +
      `with --home-schema ${schema}. If it is another one: first run migrate there, with --schema ${others[0] ?? ''} ` +
      `--home-schema ${others[0] ?? ''}. A set that nobody uses, as one made by mistake with --create-tables, is best dropped first.`,
  };
}

/** One whose Django schema is gone may be this one's, under another name. */
function orphaned(
  orphans: readonly OwnSchema[],
  schema: string,
  asked: string | undefined,
): { readonly own: string } | { readonly why: string } {
  const [first] = orphans;
  if (first !== undefined && orphans.length === 1 && asked !== undefined) return { own: first.name };
  const each = orphans.map(
    ({ name, home }) =>
      `The schema ${name} of this database belongs to Django's tables in ${home?.schema ?? ''}, which has none any more.`,
  );
  const gone = orphans.map(({ name }) => `DROP SCHEMA ${name} CASCADE`).join('; ');
  return {
    why:
      `${each.join(' ')} This connection leads to ${schema}. If that is the same Django, renamed or restored: ` +
      (orphans.length === 1
        ? `run this with --home-schema ${schema}. If it is another one, and the site of before is gone for good: \`${gone}\`.`
        : `drop those whose sites are gone for good (\`${gone}\`), all but this one's, and run this with --home-schema ${schema}.`),
  };
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
export async function recordHome(
  session: Session,
  { found }: Pick<TokenTablePlaces, 'found'>,
): Promise<void> {
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

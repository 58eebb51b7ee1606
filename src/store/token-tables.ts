import type { Ask } from './database.js';
import { SchemaError } from './errors.js';
import { DEFAULT_OWN } from './own-schema.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

/**
 * SQL: whether any schema has one of the tables, those that the role may not look into among them. Answered by the catalog
 * alone. A temporary table of the name is nobody's token table.
 */
export const TABLES_THERE = `EXISTS (
             SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relname IN ('${OUTSTANDING}', '${BLACKLISTED}')
                AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_')`;

/** Why a server that was told that there are no token tables doesn't serve beside them. */
export function tablesThere(where: readonly string[]): SchemaError {
  return new SchemaError(
    'TABLES_THERE',
    `--token-tables none says that the site has no blacklist app, but the database has ${where.join(', ')}: log-outs that are ` +
      'written there would not hold. Leave --token-tables out. If no Django of this database uses the tables any more, drop ' +
      'them first.',
  );
}

/** What to do where the tables are in no schema. Django's own words for an app that isn't installed lead nowhere. */
export const INSTALL_BLACKLIST =
  "Is it Django's? Then see that INSTALLED_APPS has 'rest_framework_simplejwt.token_blacklist', and run " +
  '`manage.py migrate token_blacklist` on it';

/** A table or view in a schema: its names as the catalog has them, and as SQL wants them. */
export interface Relation {
  readonly schema: string;
  readonly name: string;
  readonly qualified: string;
}

/** simplejwt's tables of one schema. */
interface TokenTableSet {
  readonly schema: string;
  readonly outstanding: Relation | undefined;
  readonly blacklisted: Relation | undefined;
  /** Its place in the search path, from 1; undefined where it has none. */
  readonly place: number | undefined;
  /** The role may look into the schema. */
  readonly usable: boolean;
}

/** Where in a database simplejwt's tables are, and which of them ours belong to. */
export interface TokenTablePlaces {
  readonly role: string;
  readonly searchPath: string;
  /** Where a new table would be made. */
  readonly currentSchema: string | undefined;
  /** Every schema that has one of the tables, those that the role may not look into among them. */
  readonly sets: readonly TokenTableSet[];
  /** The one that the search path leads to. */
  readonly found: TokenTableSet | undefined;
  /** The Django schema that `carelink` belongs to, as migrate wrote it down. */
  readonly home: string | undefined;
  /** There is no carelink.home, or nothing in it yet: the migration `home` has not been applied. */
  readonly homeUnwritten: boolean;
  /** Schemas whose blacklist has a trigger of ours: what `carelink` belongs to where that isn't written down. */
  readonly triggersIn: readonly string[];
  /** There is a schema `carelink` with tables in it. */
  readonly migrated: boolean;
}

/**
 * Looks at all schemas, by pg_class: information_schema and to_regclass hide what a role may not look into. A temporary
 * table of the name is nobody's token table, whatever the search path says of it.
 */
export async function readTokenTablePlaces(ask: Ask): Promise<TokenTablePlaces> {
  const [around] = await ask<{
    role: string;
    search_path: string;
    current_schema: string | null;
    triggers: string[] | null;
    migrated: boolean;
    home: boolean | null;
  }>(
    `SELECT current_user::text AS role, current_setting('search_path') AS search_path,
            current_schema()::text AS current_schema,
            (SELECT array_agg(DISTINCT n.nspname::text)
               FROM pg_trigger t
               JOIN pg_class c ON c.oid = t.tgrelid
               JOIN pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_proc p ON p.oid = t.tgfoid
               JOIN pg_namespace o ON o.oid = p.pronamespace
              WHERE t.tgname = 'carelink_tell_blacklisted' AND o.nspname = '${DEFAULT_OWN}') AS triggers,
            EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = '${DEFAULT_OWN}' AND c.relname = 'revoked_before') AS migrated,
            (SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = '${DEFAULT_OWN}' AND c.relname = 'home') AS home`,
  );
  if (around === undefined) throw new Error('the catalog told nothing');
  const rows = await ask<{
    schema: string;
    name: string;
    qualified: string;
    place: number | null;
    usable: boolean;
  }>(
    `SELECT n.nspname::text AS schema, c.relname::text AS name, format('%I.%I', n.nspname, c.relname) AS qualified,
            array_position(current_schemas(false), n.nspname) AS place,
            has_schema_privilege(n.oid, 'USAGE') AS usable
       FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relname = ANY ($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
      ORDER BY place, schema`,
    [[OUTSTANDING, BLACKLISTED]],
  );
  const schemas = [...new Set(rows.map(({ schema }) => schema))];
  const sets = schemas.map((schema): TokenTableSet => {
    const own = rows.filter((row) => row.schema === schema);
    const one = (name: string): Relation | undefined => {
      const row = own.find((relation) => relation.name === name);
      return row && { schema, name, qualified: row.qualified };
    };
    return {
      schema,
      outstanding: one(OUTSTANDING),
      blacklisted: one(BLACKLISTED),
      place: own[0]?.place ?? undefined,
      usable: own[0]?.usable === true,
    };
  });
  // One that the role may not read is told of as a missing right, and not taken for one that isn't there.
  const [written] =
    around.home === true ? await ask<{ schema: string }>(`SELECT schema FROM ${DEFAULT_OWN}.home`) : [];
  return {
    role: around.role,
    searchPath: around.search_path,
    currentSchema: around.current_schema ?? undefined,
    sets,
    found: sets.find(({ place }) => place !== undefined),
    home: written?.schema,
    homeUnwritten: around.home === null || (around.home && written === undefined),
    triggersIn: around.triggers ?? [],
    migrated: around.migrated,
  };
}

/** Of the tables that are there, those that the search path doesn't lead to. */
export function elsewhere({ sets, found }: TokenTablePlaces): string[] {
  return sets
    .filter((set) => set !== found)
    .flatMap(({ outstanding, blacklisted }) => [outstanding, blacklisted])
    .flatMap((relation) => relation?.qualified ?? []);
}

/** All of the tables that are there, in whatever schema. */
export function allTables({ sets }: Pick<TokenTablePlaces, 'sets'>): string[] {
  return sets
    .flatMap(({ outstanding, blacklisted }) => [outstanding, blacklisted])
    .flatMap((relation) => relation?.qualified ?? []);
}

/** How to connect so that the search path has a schema. */
export function howToReach(schema: string, role: string): string {
  return (
    `Connect as Django does: with ?options=-c%20search_path%3D${encodeURIComponent(schema)} in the URL, or after ` +
    `ALTER ROLE ${role} SET search_path = ${schema}.`
  );
}

/** The other schema that `carelink` belongs to, as far as that is known. */
export function otherHome({ found, home, homeUnwritten, triggersIn }: TokenTablePlaces): string | undefined {
  if (found === undefined) return undefined;
  if (home !== undefined) return home === found.schema ? undefined : home;
  return homeUnwritten && !triggersIn.includes(found.schema) ? triggersIn[0] : undefined;
}

/** Why a command refuses a second Django schema. */
export function notHome(places: TokenTablePlaces, home: string): string {
  return (
    `This connection leads to ${places.found === undefined ? 'no tables of simplejwt' : `Django's tables in the schema ${places.found.schema}`}, and the schema carelink of this ` +
    `database belongs to those in ${home}: revocations, triggers and the cleanup's lease of the two would be mixed up. ` +
    `One database serves one Django schema. To work on ${home}, connect with its search_path ` +
    `(?options=-c%20search_path%3D${encodeURIComponent(home)} in the URL); give the other Django a database of its own.`
  );
}

/** For whoever works on a database that an older release migrated. */
export const HOME_UNWRITTEN =
  "the migration home is pending, so a second Django schema on this database wouldn't be noticed: run carelink-tokens migrate";

/** Both tables, where the connection leads to the schema that is served. */
export interface TokenTables {
  readonly outstanding: Relation;
  readonly blacklisted: Relation;
  /** The migration that writes down whose `carelink` is has not been applied. */
  readonly homeUnwritten: boolean;
}

/** @throws SchemaError TABLES_MISSING | GRANTS_MISSING | OTHER_SCHEMA, with what to do */
export function tokenTablesOf(places: TokenTablePlaces): TokenTables {
  const { found, sets, role, searchPath, homeUnwritten } = places;
  const hidden = sets.find(({ usable }) => !usable);
  if (found === undefined && hidden !== undefined) {
    throw new SchemaError(
      'GRANTS_MISSING',
      `simplejwt's tables are in the schema ${hidden.schema}, and the role ${role} may not look into it. As its owner, run ` +
        `\`GRANT USAGE ON SCHEMA ${hidden.schema} TO ${role}\`; \`carelink-tokens migrate grants --role ${role}\` prints all that is needed.`,
    );
  }
  const missing = found?.outstanding === undefined ? OUTSTANDING : BLACKLISTED;
  if (found?.outstanding === undefined || found.blacklisted === undefined) {
    const others = elsewhere(places);
    const schema = sets.find((set) => set !== found)?.schema;
    throw new SchemaError(
      'TABLES_MISSING',
      schema === undefined
        ? `The database has no table ${missing}. ` +
            `${INSTALL_BLACKLIST}, or, where no Django is in charge, ` +
            '`carelink-tokens migrate --create-tables`.'
        : `There is no table ${missing} in the search path (${searchPath}), but there is ${others.join(', ')}. ` +
            howToReach(schema, role),
    );
  }
  const home = otherHome(places);
  if (home !== undefined) throw new SchemaError('OTHER_SCHEMA', notHome(places, home));
  return { outstanding: found.outstanding, blacklisted: found.blacklisted, homeUnwritten };
}

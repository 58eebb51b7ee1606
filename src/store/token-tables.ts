import type { Ask } from './database.js';
import { SchemaError } from './errors.js';
import { ownOf, type OwnStanding } from './home.js';
import { readOwnSchemas, type AlikeSchema, type OwnSchema } from './own-schemas.js';

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
  readonly oids: { readonly outstanding: number | undefined; readonly blacklisted: number | undefined };
}

/** Where in a database simplejwt's tables are, and which schema of ours belongs to them. */
export interface TokenTablePlaces {
  readonly role: string;
  readonly searchPath: string;
  /** Where a new table would be made. */
  readonly currentSchema: string | undefined;
  /** Every schema that has one of the tables, those that the role may not look into among them. */
  readonly sets: readonly TokenTableSet[];
  /** The one that the search path leads to. */
  readonly found: TokenTableSet | undefined;
  /** Schemas of ours, of whatever site. */
  readonly owns: readonly OwnSchema[];
  /** Called like ours, and none. */
  readonly alike: readonly AlikeSchema[];
  /** Which of them is this one's. */
  readonly standing: OwnStanding;
}

/**
 * Looks at all schemas, by pg_class: information_schema and to_regclass hide what a role may not look into. A temporary
 * table of the name is nobody's token table, whatever the search path says of it.
 */
export async function readTokenTablePlaces(ask: Ask): Promise<TokenTablePlaces> {
  const [around] = await ask<{ role: string; search_path: string; current_schema: string | null }>(
    `SELECT current_user::text AS role, current_setting('search_path') AS search_path,
            current_schema()::text AS current_schema`,
  );
  if (around === undefined) throw new Error('the catalog told nothing');
  const rows = await ask<{
    schema: string;
    name: string;
    qualified: string;
    place: number | null;
    usable: boolean;
    oid: number;
    owner: number;
  }>(
    `SELECT n.nspname::text AS schema, c.relname::text AS name, format('%I.%I', n.nspname, c.relname) AS qualified,
            array_position(current_schemas(false), n.nspname) AS place,
            has_schema_privilege(n.oid, 'USAGE') AS usable, c.oid, c.relowner AS owner
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
      oids: {
        outstanding: own.find(({ name }) => name === OUTSTANDING)?.oid,
        blacklisted: own.find(({ name }) => name === BLACKLISTED)?.oid,
      },
    };
  });
  const found = sets.find(({ place }) => place !== undefined);
  const tables = rows.filter(({ schema }) => schema === found?.schema);
  const { owns, alike } = await readOwnSchemas(ask, [...new Set(tables.map(({ owner }) => owner))]);
  const currentSchema = around.current_schema ?? undefined;
  return {
    role: around.role,
    searchPath: around.search_path,
    currentSchema,
    sets,
    found,
    owns,
    alike,
    // Where the tables are to be made, if they are.
    standing: ownOf({ sets, owns, alike }, found?.schema ?? currentSchema),
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
    `Connect as Django does: with --schema ${schema}, with ?options=-c%20search_path%3D${encodeURIComponent(schema)} in the URL, or after ` +
    `ALTER ROLE ${role} SET search_path = ${schema}.`
  );
}

/** The name of the Django schema that the connection leads to, in a sentence. */
const here = ({ found, currentSchema }: TokenTablePlaces): string =>
  found?.schema ?? currentSchema ?? 'no schema';

/** Why it can't be told what belongs to a Django schema, and what settles it. */
export function unsettled(
  places: TokenTablePlaces,
  standing: Extract<OwnStanding, { kind: 'moved' | 'several' }>,
): string {
  const schema = here(places);
  if (standing.kind === 'several') {
    return (
      `${standing.owns.join(' and ')} both say that they belong to Django's tables in ${schema}. Look which one is in use ` +
      '(the newest rows of revoked_before and cleanup_lease), rename the other one, so that its name does not begin with ' +
      'carelink, and run this again.'
    );
  }
  const { own, home, inUse } = standing;
  return (
    `The schema ${own} of this database belongs to Django's tables in ${home}, ` +
    (inUse
      ? `by its name, and by its tables to another one: a schema was renamed, and another one has its name now. This connection leads to ${schema}. `
      : `which has none any more; this connection leads to ${schema}. `) +
    `If ${own} belongs to ${schema}: run \`carelink-tokens migrate\` with --home-schema ${schema}. ` +
    `If it does not, run that on the one it belongs to, first.`
  );
}

/** There are schemas of ours, and none is for these tables. */
function noneYet(places: TokenTablePlaces, own: string): string {
  const schema = here(places);
  const others = places.owns.flatMap(({ name, home, triggersIn }) => {
    const theirs = home?.schema ?? triggersIn[0];
    return theirs === undefined ? [] : [{ name, theirs }];
  });
  const [first] = others;
  const foreign = places.alike.flatMap(({ name, foreign: theirs }) =>
    theirs === undefined ? [] : [`${name} (of ${theirs.owner})`],
  );
  const few = others.slice(0, 3).map(({ name, theirs }) => `${name} belongs to those in ${theirs}`);
  return (
    `This connection leads to Django's tables in the schema ${schema}, and carelink-tokens has no schema for them yet` +
    `${few.length === 0 ? '' : `: ${few.join(', ')}`}${others.length > few.length ? ', and so on' : ''}. ` +
    (first === undefined ? '' : `To work on ${first.theirs}, give --schema ${first.theirs}. `) +
    `If ${schema} is a site of its own, run \`carelink-tokens migrate\` with --schema ${schema} first: it makes ${own}.` +
    (foreign.length === 0
      ? ''
      : ` Not looked into: ${foreign.slice(0, 3).join(', ')}, whose owner is neither a superuser nor the owner of the database or of ` +
        `the tables in ${schema}. If it is this site's, give it to the tables' owner: ALTER SCHEMA ... OWNER TO ...`)
  );
}

/**
 * The schema of ours that belongs to the tables, and whether that is written down.
 *
 * @throws SchemaError OTHER_SCHEMA where it can't be told
 */
export function ownSchemaOf(places: TokenTablePlaces): {
  readonly own: string;
  readonly written: boolean;
  /** It has what a server needs. */
  readonly migrated: boolean;
} {
  const { standing, owns, alike } = places;
  if (standing.kind === 'moved' || standing.kind === 'several')
    throw new SchemaError('OTHER_SCHEMA', unsettled(places, standing));
  const { own } = standing;
  if (standing.kind === 'none' && (owns.length > 0 || alike.some(({ foreign }) => foreign !== undefined)))
    throw new SchemaError('OTHER_SCHEMA', noneYet(places, own));
  const migrated = standing.kind === 'own' && owns.some((one) => one.name === own && one.migrated);
  return { own, written: standing.kind === 'none' || standing.written, migrated };
}

/** For whoever works on a database that an older release migrated. */
export const HOME_UNWRITTEN =
  "the migration home is pending, so a second Django schema on this database wouldn't be noticed: run carelink-tokens migrate";

/** Both tables, where the connection leads to the schema that is served. */
export interface TokenTables {
  readonly outstanding: Relation;
  readonly blacklisted: Relation;
  /** Our own schema of these. */
  readonly own: string;
  readonly migrated: boolean;
  /** The migration that writes down whose that is has not been applied. */
  readonly homeUnwritten: boolean;
}

/** @throws SchemaError TABLES_MISSING | GRANTS_MISSING | OTHER_SCHEMA, with what to do */
export function tokenTablesOf(places: TokenTablePlaces): TokenTables {
  const { found, sets, role, searchPath } = places;
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
  const { own, written, migrated } = ownSchemaOf(places);
  return {
    outstanding: found.outstanding,
    blacklisted: found.blacklisted,
    own,
    migrated,
    homeUnwritten: migrated && !written,
  };
}

import type { Ask } from './database.js';
import { sqlStateOf } from './errors.js';
import { DEFAULT_OWN, triggerName } from './own-schema.js';

/** A schema of our own objects, and what tells whose it is. */
export interface OwnSchema {
  readonly name: string;
  /** The Django schema that it belongs to, and the token tables that were there, as migrate wrote it down. */
  readonly home: Home | undefined;
  /** It is written down, and this role may not read it. */
  readonly hidden: boolean;
  /** Schemas whose blacklist has a trigger of this one's: what it belongs to where that isn't written down. */
  readonly triggersIn: readonly string[];
  /** It has what a server needs. */
  readonly migrated: boolean;
}

export interface Home {
  readonly schema: string;
  readonly outstanding: number;
  readonly blacklisted: number;
}

/** A schema that is called like one of ours and doesn't count as one. */
export interface AlikeSchema {
  readonly name: string;
  /** Whoever it belongs to has nothing to do with this site: it has tables like ours, and nobody reads them. */
  readonly foreign: { readonly owner: string } | undefined;
}

export interface OwnSchemas {
  readonly owns: readonly OwnSchema[];
  /** Their names are taken. */
  readonly alike: readonly AlikeSchema[];
}

/** At a time: a statement that reads a thousand sites' tables would hold as many locks. */
const HOMES_AT_ONCE = 50;

/** A table or a schema that was there is gone. */
const GONE: ReadonlySet<string | undefined> = new Set(['42P01', '3F000']);

/**
 * All that there are, of whatever site.
 *
 * Whoever may make a schema may make one that is called like ours, with whatever is in it. So those count that belong to a
 * superuser, to the owner of the database or of this site's token tables, to a member of these, or to this role itself;
 * and what is read of them is a plain table with the columns of ours: a view would run its functions as this role.
 *
 * @param tableOwners oids; none: without token tables nothing tells whose `carelink` may be
 */
export async function readOwnSchemas(ask: Ask, tableOwners: readonly number[]): Promise<OwnSchemas> {
  try {
    return await readOnce(ask, tableOwners);
  } catch (error) {
    // Somebody drops a site meanwhile.
    if (!GONE.has(sqlStateOf(error))) throw error;
    return readOnce(ask, tableOwners);
  }
}

/** SQL: the oid of a table in the schema `n`, if it has these columns. */
function tableWith(name: string, columns: Readonly<Record<string, string>>): string {
  const wanted = Object.entries(columns).map(([column, type]) => `('${column}', '${type}'::regtype)`);
  return `(SELECT c.oid FROM pg_class c
                WHERE c.relnamespace = n.oid AND c.relname = '${name}' AND c.relkind = 'r'
                  AND (SELECT count(*) FROM pg_attribute a
                        WHERE a.attrelid = c.oid AND NOT a.attisdropped
                          AND (a.attname, a.atttypid) IN (${wanted.join(', ')})) = ${wanted.length})`;
}

const HOME = tableWith('home', { schema: 'text', outstanding: 'oid', blacklisted: 'oid' });
const REVOKED = tableWith('revoked_before', { user_key: 'text', at: 'timestamptz' });
const LEDGER = tableWith('migrations', { name: 'text', checksum: 'text' });

async function readOnce(ask: Ask, tableOwners: readonly number[]): Promise<OwnSchemas> {
  const rows = await ask<{
    name: string;
    owner: string;
    trusted: boolean;
    ours: boolean;
    filled: boolean;
    homed: boolean;
    readable: boolean;
    triggers: string[] | null;
    revokes: boolean;
  }>(
    `SELECT n.nspname::text AS name, pg_get_userbyid(n.nspowner)::text AS owner,
            pg_has_role(n.nspowner, d.datdba, 'MEMBER') OR pg_get_userbyid(n.nspowner) = current_user
              OR EXISTS (SELECT FROM unnest($1::oid[]) o WHERE pg_has_role(n.nspowner, o, 'MEMBER')) AS trusted,
            coalesce(home, revoked, ledger) IS NOT NULL AS ours,
            EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid) AS filled,
            home IS NOT NULL AS homed, revoked IS NOT NULL AS revokes, t.triggers,
            has_schema_privilege(n.oid, 'USAGE') AND coalesce(has_table_privilege(home, 'SELECT'), false)
              AND NOT coalesce(row_security_active(home), false) AS readable
       FROM pg_namespace n
       JOIN pg_database d ON d.datname = current_database()
      CROSS JOIN LATERAL (
            SELECT ${HOME} AS home,
                   ${REVOKED} AS revoked,
                   ${LEDGER} AS ledger) ours
       LEFT JOIN (SELECT p.pronamespace, t.tgname, array_agg(DISTINCT s.nspname::text) AS triggers
                    FROM pg_trigger t
                    JOIN pg_proc p ON p.oid = t.tgfoid
                    JOIN pg_class c ON c.oid = t.tgrelid
                    JOIN pg_namespace s ON s.oid = c.relnamespace
                   WHERE t.tgname LIKE 'carelink%\\_tell\\_blacklisted'
                   GROUP BY 1, 2) t
              ON t.pronamespace = n.oid AND t.tgname = '${triggerName("' || n.nspname || '", 'blacklisted')}'
      WHERE n.nspname ~ '^carelink(_[a-z0-9_]+)?$'
      ORDER BY 1`,
    [tableOwners],
  );
  const untold = tableOwners.length === 0;
  const counts = ({ name, trusted, ours }: (typeof rows)[number]): boolean =>
    ours && (trusted || (untold && name === DEFAULT_OWN));
  const counted = rows.filter(counts);
  const homes = await readHomes(
    ask,
    counted.filter(({ trusted, homed, readable }) => trusted && homed && readable).map(({ name }) => name),
  );
  return {
    owns: counted.map(({ name, trusted, homed, readable, triggers, revokes }) => {
      const home = homes.get(name);
      const hidden = trusted && homed && !readable;
      return {
        name,
        home,
        hidden,
        triggersIn: triggers ?? [],
        // Any other one takes over what was revoked before it is written down whose it is: until then it may lack that.
        migrated: revokes && (name === DEFAULT_OWN || home !== undefined || hidden),
      };
    }),
    alike: rows
      // An empty one may have been made for us.
      .filter((row) => !counts(row) && (!row.trusted || (row.filled && row.name !== DEFAULT_OWN)))
      .map(({ name, owner, trusted, ours }) => ({ name, foreign: ours && !trusted ? { owner } : undefined })),
  };
}

async function readHomes(ask: Ask, names: readonly string[]): Promise<ReadonlyMap<string, Home>> {
  const homes = new Map<string, Home>();
  for (let at = 0; at < names.length; at += HOMES_AT_ONCE) {
    const rows = await ask<Home & { readonly own: string }>(
      names
        .slice(at, at + HOMES_AT_ONCE)
        .map((name) => `SELECT '${name}' AS own, schema, outstanding, blacklisted FROM ONLY ${name}.home`)
        .join(' UNION ALL '),
    );
    for (const { own, ...home } of rows) homes.set(own, home);
  }
  return homes;
}

import type { Ask } from './database.js';
import { isPrivilegeMissing, SchemaError } from './errors.js';
import { quoteQualified } from './quote.js';
import type { Relation } from './token-tables.js';

/** What the catalog says of tables and views that may hold the users; `user-source.ts` decides what to make of it. */

/** What `user_id` refers to: Django's user model, whatever its name. */
export async function userReference(
  ask: Ask,
  { schema, name }: Relation,
): Promise<{ table: number; column: string } | undefined> {
  const [row] = await ask<{ table: number; column: string }>(
    `SELECT k.confrelid AS table, f.attname::text AS column
       FROM pg_constraint k
       JOIN pg_class c ON c.oid = k.conrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute o ON o.attrelid = k.conrelid AND o.attnum = k.conkey[1]
       JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
      WHERE n.nspname = $1 AND c.relname = $2 AND k.contype = 'f' AND cardinality(k.conkey) = 1
        AND o.attname = 'user_id'
      ORDER BY k.oid
      LIMIT 1`,
    [schema, name],
  );
  return row;
}

export async function oidOf(ask: Ask, name: string): Promise<number | undefined> {
  try {
    const [row] = await ask<{ oid: number | null }>('SELECT to_regclass($1)::oid AS oid', [
      quoteQualified(name),
    ]);
    return row?.oid ?? undefined;
  } catch (error) {
    // Of a schema that a role may not look into PostgreSQL doesn't even say whether a table is there.
    if (!isPrivilegeMissing(error)) throw error;
    throw new SchemaError(
      'GRANTS_MISSING',
      `The role of --database-url may not look into the schema of --user-table ${name}. As its owner, GRANT USAGE ON SCHEMA ` +
        'to that role; `carelink-tokens migrate grants` prints all that is needed.',
    );
  }
}

/** Schemas that have a table or a view of the name: a site's users may be in another one than its token tables. */
export async function schemasWith(ask: Ask, name: string): Promise<string[]> {
  const rows = await ask<{ schema: string }>(
    `SELECT n.nspname::text AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
      ORDER BY 1 LIMIT 5`,
    [name],
  );
  return rows.map(({ schema }) => schema);
}

export interface UserRelation {
  readonly oid: number;
  readonly relation: Relation;
  readonly kind: 'table' | 'view';
  /** Of one column. */
  readonly primary: string | undefined;
  /** Of its columns, by name: as declared, and what a domain is made of. */
  readonly types: Readonly<Record<string, string>>;
  readonly bases: Readonly<Record<string, string>>;
}

const NUMBERS = new Set(['smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision']);

/** @param base a type as `bases` has it */
export function isNumber(base: string | undefined): boolean {
  return base !== undefined && NUMBERS.has(base);
}

export async function readRelation(ask: Ask, oid: number): Promise<UserRelation | undefined> {
  const [row] = await ask<{
    schema: string;
    name: string;
    qualified: string;
    kind: string;
    key: string | null;
    types: Record<string, string> | null;
    bases: Record<string, string> | null;
  }>(
    `SELECT n.nspname::text AS schema, c.relname::text AS name, format('%I.%I', n.nspname, c.relname) AS qualified,
            c.relkind::text AS kind,
            (SELECT a.attname::text
               FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
              WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1) AS key,
            -- With -1, for a bare "character" would be one of them, and a key of char(26) cut down to its first letter.
            (SELECT jsonb_object_agg(a.attname, format_type(a.atttypid, -1))
               FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS types,
            (SELECT jsonb_object_agg(a.attname, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), -1))
               FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS bases
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
    [oid],
  );
  if (row === undefined) return undefined;
  const { schema, name, qualified, kind, key, types, bases } = row;
  return {
    oid,
    relation: { schema, name, qualified },
    kind: kind === 'r' || kind === 'p' ? 'table' : 'view',
    primary: key ?? undefined,
    types: types ?? {},
    bases: bases ?? {},
  };
}

/** Django's inherited models: the child's key refers to its parent, which has the column. */
export async function parentWith(
  ask: Ask,
  oid: number,
  key: string,
  column: string,
): Promise<string | undefined> {
  const [row] = await ask<{ parent: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS parent
       FROM pg_constraint k
       JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
       JOIN pg_class c ON c.oid = k.confrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE k.conrelid = $1 AND k.contype = 'f' AND cardinality(k.conkey) = 1 AND a.attname = $2
        AND EXISTS (SELECT FROM pg_attribute p
                     WHERE p.attrelid = k.confrelid AND p.attname = $3 AND NOT p.attisdropped)`,
    [oid, key, column],
  );
  return row?.parent;
}

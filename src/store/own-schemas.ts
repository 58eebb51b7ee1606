import type { Ask } from './database.js';
import { triggerName } from './own-schema.js';

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

/** At a time: a statement that reads a thousand sites' tables would hold as many locks. */
const HOMES_AT_ONCE = 50;

/** All that there are, of whatever site. */
export async function readOwnSchemas(ask: Ask): Promise<OwnSchema[]> {
  const rows = await ask<{
    name: string;
    homed: boolean;
    readable: boolean;
    triggers: string[] | null;
    migrated: boolean;
  }>(
    `SELECT n.nspname::text AS name, h.oid IS NOT NULL AS homed,
            has_schema_privilege(n.oid, 'USAGE') AND coalesce(has_table_privilege(h.oid, 'SELECT'), false) AS readable,
            t.triggers, r.oid IS NOT NULL AS migrated
       FROM pg_namespace n
       LEFT JOIN pg_class h ON h.relnamespace = n.oid AND h.relname = 'home'
       LEFT JOIN pg_class r ON r.relnamespace = n.oid AND r.relname = 'revoked_before'
       LEFT JOIN (SELECT p.pronamespace, t.tgname, array_agg(DISTINCT s.nspname::text) AS triggers
                    FROM pg_trigger t
                    JOIN pg_proc p ON p.oid = t.tgfoid
                    JOIN pg_class c ON c.oid = t.tgrelid
                    JOIN pg_namespace s ON s.oid = c.relnamespace
                   WHERE t.tgname LIKE 'carelink%\\_tell\\_blacklisted'
                   GROUP BY 1, 2) t
              ON t.pronamespace = n.oid AND t.tgname = '${triggerName("' || n.nspname || '", 'blacklisted')}'
      WHERE n.nspname ~ '^carelink(_[a-z0-9_]+)?$'
        AND EXISTS (SELECT FROM pg_class m
                     WHERE m.relnamespace = n.oid AND m.relname IN ('migrations', 'revoked_before', 'home'))
      ORDER BY 1`,
  );
  const homes = await readHomes(
    ask,
    rows.filter(({ homed, readable }) => homed && readable).map(({ name }) => name),
  );
  return rows.map(({ name, homed, readable, triggers, migrated }) => ({
    name,
    home: homes.get(name),
    hidden: homed && !readable,
    triggersIn: triggers ?? [],
    migrated,
  }));
}

async function readHomes(ask: Ask, names: readonly string[]): Promise<ReadonlyMap<string, Home>> {
  const homes = new Map<string, Home>();
  for (let at = 0; at < names.length; at += HOMES_AT_ONCE) {
    const rows = await ask<Home & { readonly own: string }>(
      names
        .slice(at, at + HOMES_AT_ONCE)
        .map((name) => `SELECT '${name}' AS own, schema, outstanding, blacklisted FROM ${name}.home`)
        .join(' UNION ALL '),
    );
    for (const { own, ...home } of rows) homes.set(own, home);
  }
  return homes;
}

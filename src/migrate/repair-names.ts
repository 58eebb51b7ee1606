import { MigrateError } from './errors.js';
import type { Session } from './session.js';

/** Where a ledger that isn't ours any more is kept; after further repairs with a number behind it. */
const ASIDE = 'migrations_before_repair';

/** The names of all ledgers that were put aside, as a pattern of PostgreSQL. */
export const ASIDE_PATTERN = `^${ASIDE}(_[0-9]+)?$`;

/** The first such name that is free in our schema. */
export async function nextAside(session: Session): Promise<string> {
  const rows = await session.query<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relname ~ $2`,
    [session.own, ASIDE_PATTERN],
  );
  const taken = new Set(rows.map(({ name }) => name));
  let name = ASIDE;
  for (let n = 2; taken.has(name); n++) name = `${ASIDE}_${n}`;
  return name;
}

export interface Scratch {
  /** The schema. */
  readonly own: string;
  /** Makes it; undefined: it is there. */
  readonly sql: string | undefined;
}

/**
 * A schema for tables that are rolled back. A temporary one only for a role that may make no schema: sites forbid temporary
 * tables, too.
 *
 * @throws MigrateError UNSAFE
 */
export async function scratchOf(session: Session): Promise<Scratch> {
  const [may] = await session.query<{ schema: boolean; temporary: boolean; role: string }>(
    `SELECT has_database_privilege(current_database(), 'CREATE') AS schema,
            has_database_privilege(current_database(), 'TEMPORARY') AS temporary,
            quote_ident(current_user) AS role`,
  );
  if (may?.schema === true) return { own: 'carelink_repair_look', sql: 'CREATE SCHEMA carelink_repair_look' };
  if (may?.temporary === true) return { own: 'pg_temp', sql: undefined };
  throw new MigrateError(
    'UNSAFE',
    'repair makes our tables for a moment, to compare them with those that are there, and rolls them back. This role may ' +
      `make neither a schema nor temporary tables. Connect as another one, or: GRANT TEMPORARY ON DATABASE ... TO ${may?.role ?? 'it'}.`,
  );
}

import { readIndexes, type TableFacts } from './catalog.js';
import { MigrateError } from './errors.js';
import type { Migration } from './files.js';
import { readPlainWanted, type Wanted } from './plain-wanted.js';
import type { Session } from './session.js';

/**
 * What migrations would make. To be called in a transaction that is rolled back.
 *
 * What is plain is read from the catalog. Else the SQL of migrations is run on empty temporary copies of the tables, and what
 * came of it is read. So default operator classes, collations and the text of predicates are PostgreSQL's own,
 * for the columns as this database has them, and nothing here has to parse SQL.
 *
 * @param tables those that exist; a migration of another one isn't in the result
 */
export async function readWanted(
  session: Session,
  migrations: readonly Migration[],
  tables: readonly TableFacts[],
): Promise<Map<string, Wanted>> {
  const subjects = migrations.filter(
    ({ kind, tables: [name] }) =>
      (kind === 'index' || kind === 'settings') && tables.some((table) => table.name === name),
  );
  if (subjects.length === 0) return new Map();
  const plain = await readPlainWanted(session, subjects, tables);
  if (plain !== undefined) return plain;
  await checkTemporary(session);
  const [path] = await session.query<{ search_path: string }>('SHOW search_path');
  // The copies have the tables' names; an unqualified name must mean the copy and nothing else.
  await session.query('SET LOCAL search_path = pg_temp');
  for (const table of tables) {
    await session.query(`CREATE TEMPORARY TABLE ${nameOf(table)} (LIKE ${table.qualifiedName})`);
  }
  // Only outside a transaction can an index be built CONCURRENTLY, and here there are no rows to read.
  for (const { sql } of subjects) await session.query(sql.replace(' CONCURRENTLY ', ' '));
  // Expressions are spelled as the search path has it: alike for the copies and for the tables.
  await session.query(`SELECT set_config('search_path', $1, true)`, [path?.search_path]);
  const copies = await readCopies(session);
  const indexes = await readIndexes(
    session,
    copies.map(({ oid }) => oid),
  );
  const wanted = new Map<string, Wanted>();
  for (const {
    name,
    kind,
    tables: [table],
  } of subjects) {
    const index = indexes.find((one) => one.name === name);
    if (kind === 'index' && index !== undefined) wanted.set(name, { kind: 'index', index });
    const copy = copies.find((one) => one.name === table);
    if (kind === 'settings')
      wanted.set(name, { kind: 'settings', parameters: copy?.parameters ?? new Map() });
  }
  return wanted;
}

/** @throws MigrateError UNSAFE */
async function checkTemporary(session: Session): Promise<void> {
  const [row] = await session.query<{ may: boolean; role: string }>(
    `SELECT has_database_privilege(current_database(), 'TEMPORARY') AS may, quote_ident(current_user) AS role`,
  );
  if (row?.may !== false) return;
  throw new MigrateError(
    'UNSAFE',
    `The role ${row.role} may not make temporary tables here, on copies of which indexes are compared: ` +
      `GRANT TEMPORARY ON DATABASE ... TO ${row.role}.`,
  );
}

/** The last part of a qualified name, quoted as it is there. */
function nameOf(table: TableFacts): string {
  return `"${table.name.replaceAll('"', '""')}"`;
}

async function readCopies(
  session: Session,
): Promise<{ name: string; oid: number; parameters: ReadonlyMap<string, string> }[]> {
  const rows = await session.query<{ name: string; oid: number; parameters: Record<string, string> | null }>(
    `SELECT relname AS name, oid,
            (SELECT jsonb_object_agg(split_part(o, '=', 1), substr(o, strpos(o, '=') + 1))
               FROM unnest(reloptions) AS o) AS parameters
       FROM pg_class
      WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'`,
  );
  return rows.map((row) => ({ ...row, parameters: new Map(Object.entries(row.parameters ?? {})) }));
}

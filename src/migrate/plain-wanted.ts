import type { TableFacts } from './catalog.js';
import type { IndexFacts } from './coverage.js';
import type { Migration } from './files.js';
import type { Session } from './session.js';

/** What a migration would make, as PostgreSQL itself understands its SQL. */
export type Wanted =
  | { readonly kind: 'index'; readonly index: IndexFacts }
  /** Storage parameters of a table. */
  | { readonly kind: 'settings'; readonly parameters: ReadonlyMap<string, string> };

/** Columns alone: default operator classes, no expression, no predicate. */
const PLAIN_INDEX = /^CREATE INDEX CONCURRENTLY (\w+)\s+ON (\w+) \((\w+(?:, \w+)*)\);$/;

const PLAIN_SETTINGS = /^ALTER TABLE (\w+) SET \(\s*((?:\w+ = [\d.]+,?\s*)+)\);$/;

/**
 * What migrations would make, read from the catalog, without making anything: so a plan writes nothing, needs no right to
 * make temporary tables, and calls no event trigger. That is how an audit of DDL is done, and one that can't find its table,
 * or forbids DDL in the daytime, would end the plan.
 *
 * @returns undefined where one of them is not that plain, or a column has a type of the site's own: PostgreSQL is asked then
 */
export async function readPlainWanted(
  session: Session,
  migrations: readonly Migration[],
  tables: readonly TableFacts[],
): Promise<Map<string, Wanted> | undefined> {
  const operators = await readOperators(session, tables);
  const wanted = new Map<string, Wanted>();
  for (const { name, kind, sql } of migrations) {
    const bare = sql.replace(/^--.*\n/gm, '').trim();
    const one =
      kind === 'index'
        ? indexOf(PLAIN_INDEX.exec(bare), bare, operators)
        : settingsOf(PLAIN_SETTINGS.exec(bare));
    if (one === undefined) return undefined;
    wanted.set(name, one);
  }
  return wanted;
}

interface ColumnOperators {
  readonly table: string;
  readonly column: string;
  readonly expression: string;
  readonly operators: string | null;
  readonly collation: string;
}

function indexOf(
  match: RegExpExecArray | null,
  definition: string,
  operators: readonly ColumnOperators[],
): Wanted | undefined {
  const [, name = '', table = '', columns = ''] = match ?? [];
  const keys = columns.split(', ').map((column) => {
    const found = operators.find((one) => one.table === table && one.column === column);
    return found?.operators == null ? undefined : { ...found, operators: found.operators };
  });
  if (match === null || keys.includes(undefined)) return undefined;
  const index: IndexFacts = {
    name,
    qualifiedName: name,
    table,
    accessMethod: 'btree',
    keys: keys.flatMap((key) =>
      key === undefined
        ? []
        : {
            expression: key.expression,
            operators: key.operators,
            collation: key.collation,
            descending: false,
            nullsFirst: false,
          },
    ),
    include: [],
    predicate: undefined,
    unique: false,
    nullsNotDistinct: false,
    deferrable: false,
    valid: true,
    constraint: undefined,
    replicaIdentity: false,
    bytes: 0,
    scans: 0,
    definition,
  };
  return { kind: 'index', index };
}

function settingsOf(match: RegExpExecArray | null): Wanted | undefined {
  if (match === null) return undefined;
  const pairs = (match[2] ?? '').split(',').map((pair) => pair.trim().split(' = '));
  const parameters = new Map(
    pairs.flatMap(([name, value]) => (name && value ? [[name, value] as const] : [])),
  );
  return { kind: 'settings', parameters };
}

/** The default operator class for B-trees of each column: varchar has that of text. */
async function readOperators(session: Session, tables: readonly TableFacts[]): Promise<ColumnOperators[]> {
  return session.query<ColumnOperators & object>(
    `SELECT c.relname::text AS table, a.attname::text AS column, quote_ident(a.attname) AS expression,
            (SELECT format('%s.%s %s', fs.nspname, f.opfname, o.opcintype::int8)
               FROM pg_opclass o
               JOIN pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree'
               JOIN pg_opfamily f ON f.oid = o.opcfamily
               JOIN pg_namespace fs ON fs.oid = f.opfnamespace
              WHERE o.opcdefault
                AND o.opcintype = CASE a.atttypid WHEN 'varchar'::regtype THEN 'text'::regtype ELSE a.atttypid END
            ) AS operators,
            coalesce((SELECT format('%s.%s', cs.nspname, co.collname)
                        FROM pg_collation co JOIN pg_namespace cs ON cs.oid = co.collnamespace
                       WHERE co.oid = a.attcollation), '') AS collation
       FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped`,
    [tables.map(({ oid }) => oid)],
  );
}

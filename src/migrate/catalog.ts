import type { IndexFacts, IndexKey } from './coverage.js';
import type { Session } from './session.js';

export interface ColumnFacts {
  readonly name: string;
  /** Bytes a value takes: from the statistics, or where there are none, from its type. */
  readonly width: number;
  /** As pg_stats has it: below 0 a share of the rows, 0 where it isn't known. */
  readonly distinct: number;
  /** How far the order of its values is that of the rows on disk, -1 to 1. */
  readonly correlation: number | undefined;
}

export interface TableFacts {
  readonly name: string;
  readonly oid: number;
  /** With its schema, quoted: ready for SQL. */
  readonly qualifiedName: string;
  readonly kind: 'table' | 'partitioned' | 'other';
  readonly owner: string;
  /** This role may do what its owner may, and make an index in its schema. */
  readonly owned: boolean;
  /** This role may read it, and so make a copy of its columns. */
  readonly readable: boolean;
  /** As the last analyze left it; undefined where there was none. */
  readonly rows: number | undefined;
  readonly bytes: number;
  readonly indexBytes: number;
  /** Its storage parameters. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly columns: readonly ColumnFacts[];
}

interface TableRow {
  name: string;
  oid: number;
  qualified_name: string;
  kind: string;
  owner: string;
  owned: boolean;
  readable: boolean;
  rows: number;
  bytes: string;
  index_bytes: string;
  parameters: Record<string, string> | null;
  columns: { name: string; width: number; distinct: number; correlation: number | null }[];
}

/** Those of the tables that exist, as the search path finds them: in the order of the names. */
export async function readTables(session: Session, names: readonly string[]): Promise<TableFacts[]> {
  const rows = await session.query<TableRow>(
    `SELECT n.name,
            c.oid,
            format('%I.%I', s.nspname, c.relname) AS qualified_name,
            c.relkind AS kind,
            pg_get_userbyid(c.relowner) AS owner,
            pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(s.oid, 'CREATE') AS owned,
            has_table_privilege(c.oid, 'SELECT') AS readable,
            c.reltuples AS rows,
            pg_table_size(c.oid)::text AS bytes,
            pg_indexes_size(c.oid)::text AS index_bytes,
            (SELECT jsonb_object_agg(split_part(o, '=', 1), substr(o, strpos(o, '=') + 1))
               FROM unnest(c.reloptions) AS o) AS parameters,
            (SELECT jsonb_agg(jsonb_build_object(
                      'name', quote_ident(a.attname),
                      'width', coalesce(t.avg_width, nullif(a.attlen, -1), 32),
                      'distinct', coalesce(t.n_distinct, 0),
                      'correlation', t.correlation))
               FROM pg_attribute a
               LEFT JOIN pg_stats t
                 ON t.schemaname = s.nspname AND t.tablename = c.relname AND t.attname = a.attname
                AND NOT t.inherited
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
       FROM unnest($1::text[]) WITH ORDINALITY AS n(name, at)
       JOIN pg_class c ON c.oid = to_regclass(quote_ident(n.name))
       JOIN pg_namespace s ON s.oid = c.relnamespace
      ORDER BY n.at`,
    [names],
  );
  return rows.map((row) => ({
    name: row.name,
    oid: row.oid,
    qualifiedName: row.qualified_name,
    kind: row.kind === 'r' ? 'table' : row.kind === 'p' ? 'partitioned' : 'other',
    owner: row.owner,
    owned: row.owned,
    readable: row.readable,
    rows: row.rows < 0 ? undefined : row.rows,
    bytes: Number(row.bytes),
    indexBytes: Number(row.index_bytes),
    parameters: new Map(Object.entries(row.parameters ?? {})),
    columns: row.columns.map((column) => ({ ...column, correlation: column.correlation ?? undefined })),
  }));
}

interface IndexRow {
  name: string;
  qualified_name: string;
  table: string;
  access_method: string;
  keys: { expression: string; operators: string; collation: string | null; option: number }[];
  include: string[] | null;
  predicate: string | null;
  unique: boolean;
  nulls_not_distinct: boolean;
  deferrable: boolean;
  valid: boolean;
  constraint: string | null;
  replica_identity: boolean;
  bytes: string;
  scans: string | null;
  definition: string;
}

/** Bits of pg_index.indoption: see INDOPTION_DESC in PostgreSQL's pg_index.h. */
const DESCENDING = 1;
const NULLS_FIRST = 2;

/** All indexes of tables, usable or not. */
export async function readIndexes(session: Session, tableOids: readonly number[]): Promise<IndexFacts[]> {
  const rows = await session.query<IndexRow>(
    `SELECT c.relname AS name,
            format('%I.%I', s.nspname, c.relname) AS qualified_name,
            t.relname AS table,
            am.amname AS access_method,
            (SELECT jsonb_agg(jsonb_build_object(
                      'expression', pg_get_indexdef(i.indexrelid, k.n, false),
                      'operators', format('%s.%s %s', fs.nspname, f.opfname, o.opcintype::int8),
                      'collation', format('%s.%s', cs.nspname, co.collname),
                      'option', i.indoption[k.n - 1]) ORDER BY k.n)
               FROM generate_series(1, i.indnkeyatts::int) AS k(n)
               JOIN pg_opclass o ON o.oid = i.indclass[k.n - 1]
               JOIN pg_opfamily f ON f.oid = o.opcfamily
               JOIN pg_namespace fs ON fs.oid = f.opfnamespace
               LEFT JOIN pg_collation co ON co.oid = i.indcollation[k.n - 1]
               LEFT JOIN pg_namespace cs ON cs.oid = co.collnamespace) AS keys,
            (SELECT jsonb_agg(pg_get_indexdef(i.indexrelid, k.n, false) ORDER BY k.n)
               FROM generate_series(i.indnkeyatts + 1, i.indnatts::int) AS k(n)) AS include,
            pg_get_expr(i.indpred, i.indrelid) AS predicate,
            i.indisunique AS unique,
            -- Since PostgreSQL 15; absent from the row of an older one.
            coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_not_distinct,
            NOT i.indimmediate AS deferrable,
            i.indisvalid AND i.indisready AND i.indislive AS valid,
            (SELECT conname FROM pg_constraint
              WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x') LIMIT 1) AS constraint,
            i.indisreplident AS replica_identity,
            pg_relation_size(i.indexrelid)::text AS bytes,
            pg_stat_get_numscans(i.indexrelid)::text AS scans,
            pg_get_indexdef(i.indexrelid) AS definition
       FROM pg_index i
       JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_namespace s ON s.oid = c.relnamespace
       JOIN pg_class t ON t.oid = i.indrelid
       JOIN pg_am am ON am.oid = c.relam
      WHERE i.indrelid = ANY ($1::oid[])
      ORDER BY c.relname`,
    [tableOids],
  );
  return rows.map((row) => ({
    name: row.name,
    qualifiedName: row.qualified_name,
    table: row.table,
    accessMethod: row.access_method,
    keys: row.keys.map(keyOf),
    include: row.include ?? [],
    predicate: row.predicate ?? undefined,
    unique: row.unique,
    nullsNotDistinct: row.nulls_not_distinct,
    deferrable: row.deferrable,
    valid: row.valid,
    constraint: row.constraint ?? undefined,
    replicaIdentity: row.replica_identity,
    bytes: Number(row.bytes),
    scans: Number(row.scans ?? 0),
    definition: row.definition,
  }));
}

function keyOf(key: IndexRow['keys'][number]): IndexKey {
  return {
    expression: key.expression,
    operators: key.operators,
    // format() writes what is missing as nothing: the dot is all that a type without collations leaves.
    collation: key.collation === '.' ? '' : (key.collation ?? ''),
    descending: (key.option & DESCENDING) !== 0,
    nullsFirst: (key.option & NULLS_FIRST) !== 0,
  };
}

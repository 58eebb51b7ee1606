import type { Tables } from './batch-sql.js';
import type { CleanupSession } from './session.js';

/** A table whose files hold far more than its rows need: VACUUM lets new rows use the room, and gives none of it back. */
export interface Room {
  readonly table: string;
  /** Of the table and its indexes. */
  readonly bytes: number;
  /** As the last VACUUM or ANALYZE counted them. */
  readonly rows: number;
  /** What so many rows take in the table alone, about. */
  readonly neededBytes: number;
}

/** Less is not worth a word. */
const MIN_BYTES = 64 * 1024 * 1024;

/** Tables with a steady coming and going have up to half of their room free. */
const MIN_RATIO = 4;

/** HeapTupleHeader and line pointer. */
const ROW_OVERHEAD_BYTES = 28;

/** Tables that have kept much room, by the statistics: a table that was never analysed isn't among them. */
export async function readRoom({ query }: CleanupSession, tables: Tables): Promise<Room[]> {
  const rows = await query<{
    name: string;
    total: string;
    heap: string;
    rows: number;
    width: number | null;
  }>(ROOM, [[tables.outstanding, tables.blacklisted]]);
  return rows.flatMap(({ name, total, heap, rows: count, width }) => {
    const neededBytes = Math.round(count * ((width ?? 0) + ROW_OVERHEAD_BYTES));
    const much = width !== null && Number(heap) >= MIN_BYTES && Number(heap) >= MIN_RATIO * neededBytes;
    return much ? [{ table: name, bytes: Number(total), rows: Math.round(count), neededBytes }] : [];
  });
}

const ROOM = `
  SELECT c.relname::text AS name, pg_total_relation_size(c.oid)::text AS total, pg_relation_size(c.oid)::text AS heap,
         c.reltuples AS rows,
         (SELECT sum(s.avg_width)::int FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname) AS width
    FROM unnest($1::text[]) AS t (name)
    JOIN pg_class c ON c.oid = t.name::regclass
    JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.reltuples >= 0`;

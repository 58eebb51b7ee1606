import type { Database } from './database.js';

/** A sequence that gives a token table its ids, and the ids that are there. */
export interface SequenceState {
  readonly table: string;
  /** Qualified and quoted. */
  readonly sequence: string;
  /** Undefined: this role may not read it. */
  readonly next: bigint | undefined;
  /** The last id that sequence and column have. */
  readonly last: bigint;
  /** Undefined: the table is empty. */
  readonly highestId: bigint | undefined;
}

/** What the column's default takes from: a serial's and an IDENTITY's own, or any other that the default names. */
const FIND = `
  SELECT s.oid::regclass::text AS sequence, has_sequence_privilege(s.oid, 'SELECT') AS readable,
         least(q.seqmax, CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
                                         ELSE 9223372036854775807 END)::text AS last
    FROM pg_attribute a
    JOIN pg_class s
      ON s.relkind = 'S' AND s.oid = coalesce(
           pg_get_serial_sequence($1, 'id')::regclass,
           (SELECT d.refobjid FROM pg_attrdef f
              JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
              JOIN pg_class q ON q.oid = d.refobjid AND q.relkind = 'S'
             WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum LIMIT 1))
    JOIN pg_sequence q ON q.seqrelid = s.oid
   WHERE a.attrelid = to_regclass($1) AND a.attname = 'id'`;

/** Of tables that are there. Rejects with `pg`'s error. */
export async function readSequences(database: Database, tables: readonly string[]): Promise<SequenceState[]> {
  const found: SequenceState[] = [];
  for (const table of tables) {
    const [of] = await database.query<{ sequence: string; readable: boolean; last: string }>('health', {
      text: FIND,
      values: [table],
    });
    if (of === undefined) continue;
    const [ids] = await database.query<{ highest: string | null }>('health', {
      text: `SELECT max(id)::text AS highest FROM ${table}`,
    });
    const [state] = of.readable
      ? await database.query<{ next: string }>('health', {
          text: `SELECT (CASE WHEN is_called THEN last_value + 1 ELSE last_value END)::text AS next FROM ${of.sequence}`,
        })
      : [];
    const highest = ids?.highest ?? undefined;
    found.push({
      table,
      sequence: of.sequence,
      next: state && BigInt(state.next),
      last: BigInt(of.last),
      highestId: highest === undefined ? undefined : BigInt(highest),
    });
  }
  return found;
}

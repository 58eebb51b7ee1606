import type { Session } from './session.js';

export interface LedgerEntry {
  readonly name: string;
  readonly checksum: string;
  /**
   * `building`: begun, and not known to have ended. With it in the ledger, an index of that name is this tool's.
   * `covered`: what it would have made was there already, so nothing of it is ours to undo.
   */
  readonly state: 'building' | 'applied' | 'covered';
  /** What covers it. */
  readonly coveredBy: string | undefined;
  /** What was made, in PostgreSQL's words: pg_get_indexdef of an index, the parameters of settings. */
  readonly definition: string | undefined;
  readonly durationMs: number;
  readonly at: Date;
}

export type Ledger = ReadonlyMap<string, LedgerEntry>;

/** Makes the ledger where it isn't. To be called under the lock of all runners. */
export async function createLedger(session: Session): Promise<void> {
  // Asked first, because CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to do.
  const [row] = await session.query<{ there: boolean }>(
    `SELECT to_regnamespace('${session.own}') IS NOT NULL AS there`,
  );
  if (row?.there !== true) await session.query(`CREATE SCHEMA ${session.own}`);
  await session.query(ledgerSql(session.own));
}

/** The statement that makes it. */
export const ledgerSql = (own: string): string => `CREATE TABLE IF NOT EXISTS ${own}.migrations (
  name text PRIMARY KEY,
  checksum text NOT NULL,
  state text NOT NULL CHECK (state IN ('building', 'applied', 'covered')),
  covered_by text,
  definition text,
  duration_ms integer NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
)`;

/** All entries; none where there is no ledger yet. */
export async function readLedger(session: Session): Promise<Ledger> {
  const [row] = await session.query<{ there: boolean }>(
    `SELECT to_regclass('${session.own}.migrations') IS NOT NULL AS there`,
  );
  if (row?.there !== true) return new Map();
  const rows = await session.query<{
    name: string;
    checksum: string;
    state: LedgerEntry['state'];
    covered_by: string | null;
    definition: string | null;
    duration_ms: number;
    applied_at: Date;
  }>(
    `SELECT name, checksum, state, covered_by, definition, duration_ms, applied_at FROM ${session.own}.migrations`,
  );
  return new Map(
    rows.map((entry) => [
      entry.name,
      {
        name: entry.name,
        checksum: entry.checksum,
        state: entry.state,
        coveredBy: entry.covered_by ?? undefined,
        definition: entry.definition ?? undefined,
        durationMs: entry.duration_ms,
        at: entry.applied_at,
      },
    ]),
  );
}

export interface NewEntry {
  readonly name: string;
  readonly checksum: string;
  readonly state: LedgerEntry['state'];
  readonly coveredBy?: string;
  readonly definition?: string;
  readonly durationMs?: number;
}

export async function record(session: Session, entry: NewEntry): Promise<void> {
  await session.query(
    `INSERT INTO ${session.own}.migrations (name, checksum, state, covered_by, definition, duration_ms)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (name) DO UPDATE
        SET checksum = excluded.checksum, state = excluded.state, covered_by = excluded.covered_by,
            definition = excluded.definition, duration_ms = excluded.duration_ms, applied_at = now()`,
    [
      entry.name,
      entry.checksum,
      entry.state,
      entry.coveredBy ?? null,
      entry.definition ?? null,
      Math.round(entry.durationMs ?? 0),
    ],
  );
}

export async function forget(session: Session, name: string): Promise<void> {
  await session.query(`DELETE FROM ${session.own}.migrations WHERE name = $1`, [name]);
}

import type { Session } from './session.js';

export interface LedgerEntry {
  readonly name: string;
  readonly checksum: string;
  /** `covered`: what it would have made was there already, so nothing of it is ours to undo. */
  readonly state: 'applied' | 'covered';
  /** What covers it. */
  readonly coveredBy: string | undefined;
  /** What PostgreSQL called the result; for an index its pg_get_indexdef. */
  readonly definition: string | undefined;
  readonly durationMs: number;
  readonly appliedAt: Date;
}

/** Makes the ledger where it isn't. To be called under the lock. */
export async function createLedger(session: Session): Promise<void> {
  // Asked first, because CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to do.
  const [row] = await session.query<{ there: boolean }>(
    `SELECT to_regnamespace('carelink') IS NOT NULL AS there`,
  );
  if (row?.there !== true) await session.query('CREATE SCHEMA carelink');
  await session.query(`
    CREATE TABLE IF NOT EXISTS carelink.migrations (
      name text PRIMARY KEY,
      checksum text NOT NULL,
      state text NOT NULL CHECK (state IN ('applied', 'covered')),
      covered_by text,
      definition text,
      duration_ms integer NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`);
}

/** All entries; none where there is no ledger yet. */
export async function readLedger(session: Session): Promise<Map<string, LedgerEntry>> {
  const [row] = await session.query<{ there: boolean }>(
    `SELECT to_regclass('carelink.migrations') IS NOT NULL AS there`,
  );
  if (row?.there !== true) return new Map();
  const rows = await session.query<{
    name: string;
    checksum: string;
    state: 'applied' | 'covered';
    covered_by: string | null;
    definition: string | null;
    duration_ms: number;
    applied_at: Date;
  }>(
    'SELECT name, checksum, state, covered_by, definition, duration_ms, applied_at FROM carelink.migrations',
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
        appliedAt: entry.applied_at,
      },
    ]),
  );
}

export async function record(session: Session, entry: Omit<LedgerEntry, 'appliedAt'>): Promise<void> {
  await session.query(
    `INSERT INTO carelink.migrations (name, checksum, state, covered_by, definition, duration_ms)
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
      Math.round(entry.durationMs),
    ],
  );
}

import { setTimeout as sleep } from 'node:timers/promises';
import { MigrateError } from './errors.js';
import { MIGRATIONS_DIRECTORY, readMigrations, type Migration } from './files.js';
import { createLedger, readLedger, record } from './ledger.js';
import { verifyLock, withLock } from './lock.js';
import { openSession, type Connection, type Session } from './session.js';

export { MigrateError } from './errors.js';

export interface ApplyOptions {
  /** Make simplejwt's tables, where no Django does. */
  readonly createTables: boolean;
  /** Of the `NNNN_name.sql` files; the package's own where nothing is said. */
  readonly directory?: string;
  /** How long to wait for another runner. */
  readonly maxWaitMs?: number;
}

export interface Step {
  readonly name: string;
  /** `present`: it was in the ledger already. */
  readonly outcome: 'applied' | 'covered' | 'present';
  readonly coveredBy?: string;
  readonly durationMs: number;
}

export interface Report {
  readonly steps: readonly Step[];
}

const monotonicMs = (): number => performance.now();

/**
 * Applies what is pending, in order, under the lock of all runners.
 *
 * @throws MigrateError | NotConnectedError, or the error of `pg` where a migration's SQL was refused
 */
export async function applyMigrations(connection: Connection, options: ApplyOptions): Promise<Report> {
  const migrations = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY);
  const session = await openSession(connection, 'carelink-tokens migrate');
  try {
    const lock = { maxWaitMs: options.maxWaitMs, monotonicMs, sleep, random: Math.random };
    return await withLock(session, lock, async () => {
      await createLedger(session);
      const ledger = await readLedger(session);
      const steps: Step[] = [];
      for (const migration of migrations) {
        if (migration.online) continue;
        await verifyLock(session);
        steps.push(
          ledger.has(migration.name)
            ? { name: migration.name, outcome: 'present', durationMs: 0 }
            : await apply(session, migration, options),
        );
      }
      return { steps };
    });
  } finally {
    await session.close();
  }
}

async function apply(session: Session, migration: Migration, options: ApplyOptions): Promise<Step> {
  const { name, checksum } = migration;
  const startedMs = monotonicMs();
  const there = await existing(session, migration.makes);
  const missing = migration.makes.filter((table) => !there.includes(table));
  if (migration.makes.length > 0 && missing.length === 0) {
    const coveredBy = there.join(', ');
    await record(session, {
      name,
      checksum,
      state: 'covered',
      coveredBy,
      definition: undefined,
      durationMs: 0,
    });
    return { name, outcome: 'covered', coveredBy, durationMs: 0 };
  }
  if (there.length > 0 || (missing.length > 0 && !options.createTables)) {
    throw new MigrateError(
      'TABLES_MISSING',
      `The database has no table ${missing.join(', ')}. Run Django's \`manage.py migrate token_blacklist\` on it` +
        (there.length > 0
          ? '.'
          : ', or, where no Django is in charge, `carelink-tokens migrate --create-tables`.'),
    );
  }
  return session.transaction(async () => {
    await session.query(migration.sql);
    const durationMs = monotonicMs() - startedMs;
    await record(session, {
      name,
      checksum,
      state: 'applied',
      coveredBy: undefined,
      definition: undefined,
      durationMs,
    });
    return { name, outcome: 'applied', durationMs };
  });
}

async function existing(session: Session, tables: readonly string[]): Promise<string[]> {
  const rows = await session.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(quote_ident(name)) IS NOT NULL',
    [tables],
  );
  return rows.map((row) => row.name);
}

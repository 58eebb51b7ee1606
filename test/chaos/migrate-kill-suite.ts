import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect } from 'vitest';
import { applyMigrations, readMigrationOverview } from '../../src/migrate/index.js';
import { query, openClient } from '../support/postgres.js';

const BIN = fileURLToPath(new URL('../../bin/carelink-tokens.js', import.meta.url));
const OUTSTANDING = 'token_blacklist_outstandingtoken';
const RUNNER = 'carelink-tokens migrate';

/** A run that a test means to kill: a process of its own, as an operator starts it. */
export function startRunner(url: string, args: readonly string[] = []): ChildProcess {
  return spawn(process.execPath, [BIN, 'migrate', ...args, '--json', '--database-url', url], {
    stdio: 'ignore',
  });
}

export async function kill9(runner: ChildProcess): Promise<void> {
  if (runner.exitCode !== null || runner.signalCode !== null) return;
  const exited = once(runner, 'exit');
  runner.kill('SIGKILL');
  await exited;
}

export async function fill(url: string, rows: number): Promise<void> {
  await query(
    url,
    `INSERT INTO ${OUTSTANDING} (token, created_at, expires_at, jti)
     SELECT 'token', now() - n * interval '1 s', now() + (n % 86400) * interval '1 s', md5(n::text)
       FROM generate_series(1, ${rows}) AS n`,
  );
}

/** Transactions of others, which hold a build up at a phase. */
export class Others {
  readonly #url: string;
  readonly #clients: pg.Client[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  writer(): Promise<pg.Client> {
    return this.#open(
      'BEGIN',
      `INSERT INTO ${OUTSTANDING} (token, expires_at, jti) VALUES ('token', now(), gen_random_uuid())`,
    );
  }

  snapshot(): Promise<pg.Client> {
    return this.#open('BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT count(*) FROM auth_user');
  }

  async end(): Promise<void> {
    for (const client of this.#clients.splice(0)) await client.end();
  }

  async #open(...statements: string[]): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#url });
    client.on('error', () => undefined);
    this.#clients.push(client);
    await client.connect();
    for (const statement of statements) await client.query(statement);
    return client;
  }
}

/** Watches as closely as it can, and returns as soon as a build is at the phase; false where it went by unseen. */
export async function atPhase(url: string, phase: string, runner: ChildProcess): Promise<boolean> {
  const client = await openClient(url);
  try {
    while (runner.exitCode === null) {
      const { rowCount } = await client.query(
        `SELECT FROM pg_stat_progress_create_index WHERE datname = current_database() AND phase = $1`,
        [phase],
      );
      if (rowCount !== 0) return true;
    }
    return false;
  } finally {
    await client.end();
  }
}

/** A killed client's session ends by itself, though it is in the middle of a statement: within seconds. */
export async function untilSessionsEnd(url: string): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    const [row] = await query<{ count: number }>(
      url,
      `SELECT count(*)::int AS count FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE '${RUNNER}%'`,
    );
    if (row!.count === 0) return performance.now() - startedMs;
    await sleep(50);
  }
}

/** Runs it again: it finishes, with one valid index each, and nothing is left over. */
export async function expectFinishedByAnotherRun(url: string): Promise<void> {
  await applyMigrations(url, { createTables: false, maxWaitMs: 30_000 });
  const { migrations } = await readMigrationOverview(url);
  for (const { name, state } of migrations)
    expect([name, state]).toEqual([name, expect.stringMatching(/applied|covered/)]);
  expect(
    await query(
      url,
      'SELECT indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)',
    ),
  ).toEqual([]);
  const indexes = await query<{ name: string }>(
    url,
    `SELECT relname AS name FROM pg_class WHERE relkind = 'i' AND relname ~ '^idx_' ORDER BY 1`,
  );
  expect(indexes.map(({ name }) => name)).toEqual([
    'idx_blacklisted_token_created',
    'idx_outstanding_token_expires',
    'idx_refresh_token_user_created',
  ]);
  expect(await query(url, "SELECT name FROM carelink.migrations WHERE state = 'building'")).toEqual([]);
  expect(
    await query(
      url,
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory'
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    ),
  ).toEqual([]);
}

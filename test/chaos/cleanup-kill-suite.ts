import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { census, fill, type CleanupWorld } from '../integration/cleanup-support/world.js';
import { BIN, cleanEnvironment } from '../support/server.js';

const LIVE = 200;
const ROWS_A_RUN = 3_000;

/** The commands' own process is killed in the middle, again and again; the rows tell what became of it. */
export function killSuite(
  given: () => CleanupWorld,
  { kills, waitOutLease }: { kills: number; waitOutLease: boolean },
): void {
  it(`loses nothing in ${kills} kills with -9, and goes on`, async () => {
    const world = given();
    const expired = kills * ROWS_A_RUN;
    const ours = await sessions(world);
    await fill(world.sql, { expired, live: LIVE });
    let left = expired;
    for (let n = 0; n < kills; n++) {
      await killInTheMiddle(world.url);
      while ((await sessions(world)) > ours) await sleep(10);
      const found = await census(world.sql);
      expect(found).toMatchObject({ orphans: 0, live: LIVE, blacklisted: await revoked(world) });
      expect(found.expired).toBeLessThan(left);
      expect(found.expired).toBeGreaterThan(0);
      left = found.expired;
      // What a killed one leaves is its lease, which ends by itself: 10 s that a short test hasn't got.
      if (!waitOutLease) await world.sql('UPDATE carelink.cleanup_lease SET expires_at = clock_timestamp()');
    }
    console.log(JSON.stringify({ kills, removed: expired - left, left }));
    expect(await world.run()).toMatchObject({ ended: 'done', deleted: left });
    expect(await census(world.sql)).toEqual({
      orphans: 0,
      expired: 0,
      live: LIVE,
      blacklisted: (LIVE * 8) / 10,
    });
  });
}

async function killInTheMiddle(url: string): Promise<void> {
  const child = spawn(
    process.execPath,
    [BIN, 'cleanup', '--json', '--batch-size', '40', '--nice', '40', '--database-url', url],
    { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  const began = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('"event":"progress"')) resolve();
    });
  });
  await Promise.race([
    began,
    exited.then(([code]) => Promise.reject(new Error(`it ended by itself, with ${String(code)}`))),
  ]);
  await sleep(Math.random() * 100);
  child.kill('SIGKILL');
  expect(await exited).toEqual([null, 'SIGKILL']);
}

/**
 * Of cleanups in this database, the test's own among them. One that is idle may have its killed client's last words
 * still to read, and they may be a batch that takes the lease once more.
 */
async function sessions({ sql }: CleanupWorld): Promise<number> {
  const [row] = await sql<{ open: number }>(
    `SELECT count(*)::int AS open FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'carelink-tokens cleanup'`,
  );
  return row!.open;
}

/** Rows that were blacklisted in the beginning (see fill) and are still there: each with its blacklist row. */
async function revoked({ sql }: CleanupWorld): Promise<number> {
  const [row] = await sql<{ rows: number }>(
    'SELECT count(*)::int AS rows FROM token_blacklist_outstandingtoken WHERE id % 10 < 8',
  );
  return row!.rows;
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';

const DIST = new URL('../../dist/store/', import.meta.url);

/** A start takes two seconds, or on a busy machine twenty. */
const ROUND_MS = 60_000;

// Writes one row a commit and tells each number once its commit was answered. Says first what it found.
const WRITER = `
  import { writeSync } from 'node:fs';
  import pg from 'pg';
  import { startEmbedded } from '${new URL('embedded.js', DIST).href}';
  const { connection } = await startEmbedded({ dataDir: process.argv[1] });
  const pool = new pg.Pool({ ...connection, max: 1 });
  await pool.query('CREATE TABLE IF NOT EXISTS told (n int PRIMARY KEY, filler text)');
  const { rows: [found] } = await pool.query('SELECT count(*)::int AS rows, coalesce(max(n), 0) AS last FROM told');
  writeSync(1, JSON.stringify(found) + '\\n');
  for (let n = found.last + 1; ; n++) {
    await pool.query('INSERT INTO told VALUES ($1, $2)', [n, 'x'.repeat(n % 2000)]);
    writeSync(1, n + '\\n');
  }`;

/** Kills a process that writes to the embedded PostgreSQL, again and again, and counts what it was told. */
export function describeKills(rounds: number): void {
  describe('kill -9 of the process around the embedded PostgreSQL', () => {
    it(
      `loses no commit that was answered, ${rounds} times in the midst of writing`,
      async () => {
        const directory = mkdtempSync(join(tmpdir(), 'carelink-killed-'));
        try {
          let last = 0;
          for (let round = 0; round <= rounds; round++)
            last = await killOnce(directory, last, 50 + round * 150);
        } finally {
          rmSync(directory, { recursive: true });
        }
      },
      (rounds + 3) * ROUND_MS,
    );
  });
}

/** Checks what the last round left, writes `enough` rows more, kills, and returns the last number that was told. */
async function killOnce(directory: string, toldLast: number, enough: number): Promise<number> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let found: { rows: number; last: number } | undefined;
  let last = toldLast;
  let written = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (found === undefined) {
      found = JSON.parse(line) as { rows: number; last: number };
      // One commit more than was told may be there: its answer was on the way.
      expect(found.last - toldLast).toBeGreaterThanOrEqual(0);
      expect(found.last - toldLast).toBeLessThanOrEqual(1);
      expect(found.rows).toBe(found.last);
    } else {
      last = Number(line);
      if (++written === enough) child.kill('SIGKILL');
    }
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  expect(child.signalCode).toBe('SIGKILL');
  return last;
}

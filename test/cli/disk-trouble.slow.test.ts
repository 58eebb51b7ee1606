import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN, cleanEnvironment } from '../support/server.js';

/** In a mount namespace of its own, which ends with the process. */
const UNSHARE = ['unshare', '--mount', '--map-root-user'];
const canMount =
  spawnSync(UNSHARE[0]!, [...UNSHARE.slice(1), 'sh', '-c', 'mount -t tmpfs -o size=1m none /mnt']).status ===
  0;

describe.skipIf(!canMount)('the embedded PostgreSQL on a disk that takes nothing', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'carelink-disk-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const serveOn = (options: string, dataDir: string) => {
    const script =
      'mount -t tmpfs -o "$1" none "$2" && exec "$3" "$4" serve --port 0 --admin-port 0 --data-dir "$2/$5"';
    const { status, stderr } = spawnSync(
      UNSHARE[0]!,
      [...UNSHARE.slice(1), 'sh', '-c', script, 'sh', options, directory, process.execPath, BIN, dataDir],
      { env: cleanEnvironment(), encoding: 'utf8' },
    );
    const said = stderr.split('\n').find((line) => line.startsWith('error: '));
    return { status, said };
  };

  it('says that it is full, and does not speak of damaged files', () => {
    const { status, said } = serveOn('size=8m', 'data');
    expect(said).toMatch(
      /^error: EMBEDDED_FAILED: The disk of .* is full \(\d+ MB are free\).*Make room there/,
    );
    expect(said).not.toMatch(/damaged|delete the whole/);
    expect(status).toBe(4);
  });

  it('says that it is mounted read-only', () => {
    const { status, said } = serveOn('size=8m,ro', 'data');
    expect(said).toMatch(/^error: DATA_DIRECTORY_UNUSABLE: The file system of .* is mounted read-only/);
    expect(status).toBe(2);
  });
});

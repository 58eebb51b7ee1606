import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { census, cleanupWorld, fill } from '../integration/cleanup-support/world.js';
import { freshDatabase } from '../support/postgres.js';
import { BIN, cleanEnvironment } from '../support/server.js';
import { services } from '../support/services.js';
import { run } from './run.js';

type Line = Record<string, unknown>;

const linesOf = (stdout: string): Line[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

/** What a lease lasts where nothing is known of its holder. */
const LEASE_MS = 10_000;

describe.skipIf(services().postgres === undefined)('the command cleanup', () => {
  const world = cleanupWorld();
  const cleanup = (...args: string[]) => run(['cleanup', ...args], { DATABASE_URL: world().url });

  /** One that is at work, and what it says until then. */
  const started = async (
    event: string,
    ...args: string[]
  ): Promise<{ child: ChildProcess; said: Line[] }> => {
    const child = spawn(process.execPath, [BIN, 'cleanup', '--json', ...args], {
      env: cleanEnvironment({ DATABASE_URL: world().url }),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const said: Line[] = [];
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`it ended with ${String(code)}`)));
      createInterface({ input: child.stdout }).on('line', (text) => {
        const line = JSON.parse(text) as Line;
        said.push(line);
        if (line['event'] === event) resolve();
      });
    });
    child.removeAllListeners('exit');
    return { child, said };
  };

  it('tells in a dry run what would go, for people and as JSON, and changes nothing', async () => {
    await fill(world().sql, { expired: 2_000, live: 100 });
    const before = await census(world().sql);
    const text = await cleanup('--dry-run');
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/would go: 2,000 rows/);
    expect(text.stdout).toMatch(/Nothing was changed\.\n$/);
    const json = await cleanup('--dry-run', '--json');
    expect(linesOf(json.stdout)).toEqual([
      expect.objectContaining({ event: 'dry_run', would_delete: 2_000, not_yet: 100 }),
    ]);
    expect(await census(world().sql)).toEqual(before);
  });

  it('ends with a sentence, or with JSON lines of which the last one is the summary', async () => {
    await fill(world().sql, { expired: 500, live: 10 });
    const json = await cleanup('--json', '--max-rows', '300');
    // Its budget ended it, and something is left.
    expect(json.code).toBe(3);
    const lines = linesOf(json.stdout);
    expect(lines[0]).toMatchObject({ event: 'started', backlog_rows: 500, backlog_exact: true });
    expect(lines.at(-1)).toMatchObject({ event: 'done', ended: 'max_rows', deleted: 300, backlog_rows: 200 });
    const text = await cleanup();
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/Cleaned up 200 expired token records\n$/);
    expect(await census(world().sql)).toMatchObject({ orphans: 0, expired: 0, live: 10 });
  });

  it('is refused with 5 beside another runner, which finishes its batch on SIGTERM and ends with 130', async () => {
    await fill(world().sql, { expired: 1_000, live: 10 });
    const { child, said } = await started('progress', '--batch-size', '10', '--nice', '100');
    const second = await cleanup('--json');
    expect(second.code).toBe(5);
    expect(second.stderr).toContain(`process ${child.pid} on`);
    const exited = once(child, 'close');
    child.kill('SIGTERM');
    expect(await exited).toEqual([130, null]);
    const last = said.at(-1)!;
    expect(last).toMatchObject({ event: 'done', ended: 'interrupted' });
    const left = await census(world().sql);
    expect(left).toMatchObject({ orphans: 0, live: 10, expired: 1_000 - Number(last['deleted']) });
    expect(Number(last['deleted']) % 10).toBe(0);
    expect(left.expired).toBeGreaterThan(0);
    // The lease is free again at once.
    expect((await cleanup('--quiet', '--nice', '0')).code).toBe(0);
  });

  it('refuses with 6, and names the constraint, where another table refers to the tokens', async () => {
    await fill(world().sql, { expired: 10, live: 0 });
    await world().sql(
      'CREATE TABLE devices (token_id bigint CONSTRAINT device_token REFERENCES token_blacklist_outstandingtoken)',
    );
    const { code, stderr } = await cleanup();
    await world().sql('DROP TABLE devices');
    expect(code).toBe(6);
    expect(stderr).toContain('devices (device_token)');
    expect((await census(world().sql)).expired).toBe(10);
  });

  it('comes again with --every, and ends between two rounds with 0', async () => {
    await fill(world().sql, { expired: 50, live: 0 });
    const { child } = await started('done', '--every', '1m');
    const exited = once(child, 'close');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    expect((await census(world().sql)).expired).toBe(0);
  });

  it('with --every is not ended by SIGHUP, and ends with 0 on SIGTERM in the middle of a round', async () => {
    await fill(world().sql, { expired: 1_000, live: 0 });
    const { child, said } = await started('progress', '--every', '1h', '--batch-size', '10', '--nice', '100');
    const exited = once(child, 'close');
    child.kill('SIGHUP');
    expect(await Promise.race([exited, sleep(300, 'at work')])).toBe('at work');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    expect(said.at(-1)).toMatchObject({ event: 'done', ended: 'interrupted' });
  });

  it.skipIf(process.platform !== 'linux')('takes the lease of a runner that was killed at once', async () => {
    await fill(world().sql, { expired: 1_000, live: 0 });
    const { child } = await started('progress', '--batch-size', '10', '--nice', '100');
    const exited = once(child, 'close');
    child.kill('SIGKILL');
    await exited;
    const killedMs = performance.now();
    expect((await cleanup('--quiet', '--nice', '0')).code).toBe(0);
    expect(performance.now() - killedMs).toBeLessThan(LEASE_MS);
    expect((await census(world().sql)).expired).toBe(0);
  });

  it('ends with 4 where there is no database, or one that is not migrated', async () => {
    const nobody = await run(['cleanup', '--database-url', 'postgres://u@127.0.0.1:1/d']);
    expect(nobody).toMatchObject({ code: 4, stdout: '' });
    expect(nobody.stderr).toContain('127.0.0.1:1');
    const empty = await freshDatabase();
    const { code, stderr } = await run(['cleanup', '--database-url', empty.url]);
    await empty.drop();
    expect(code).toBe(4);
    expect(stderr).toContain('token_blacklist_outstandingtoken');
  });
});

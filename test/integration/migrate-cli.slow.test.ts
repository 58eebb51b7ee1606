import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run as runCommand } from '../cli/run.js';
import { createSimplejwtTables, type FreshDatabase, freshDatabase, query } from '../support/postgres.js';
import { BIN, cleanEnvironment } from '../support/server.js';
import { services } from '../support/services.js';

const EXPIRES = 'idx_outstanding_token_expires';

describe.skipIf(services().postgres === undefined)('carelink-tokens migrate', () => {
  let database: FreshDatabase;
  beforeEach(async () => {
    database = await freshDatabase();
  });
  afterEach(() => database.drop());

  const start = (...args: string[]): ChildProcess =>
    spawn(process.execPath, [BIN, 'migrate', ...args, '--database-url', database.url], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const run = async (...args: string[]) => {
    const child = start(...args);
    const said = { stdout: '', stderr: '' };
    child.stdout!.on('data', (part) => (said.stdout += String(part)));
    child.stderr!.on('data', (part) => (said.stderr += String(part)));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, ...said };
  };

  it('plans, applies, and tells where all of it stands, with exit codes for scripts', async () => {
    await createSimplejwtTables(database.url);
    const plan = await run('plan');
    expect(plan).toMatchObject({ code: 0, stderr: '' });
    expect(plan.stdout).toContain('nothing has been changed');
    expect(plan.stdout).toContain(`build  ${EXPIRES}`);
    expect(plan.stdout).not.toContain('\u001b');
    // Settings are broken at their commas, and a function's comments are not: the rest of one would be code.
    expect(plan.stdout).toMatch(/^ +autovacuum_vacuum_threshold = 5000,$/m);
    expect(plan.stdout).toContain(
      '-- A row that somebody deletes meanwhile, as flushexpiredtokens does, would fail',
    );

    const before = await run('status');
    expect(before.code).toBe(1);
    expect(before.stdout).toMatch(new RegExp(`^pending  ${EXPIRES} `, 'm'));

    const up = await run();
    expect(up).toMatchObject({ code: 0, stderr: '' });
    expect(up.stdout).toMatch(new RegExp(`^applied  ${EXPIRES} \\([\\d,]+ ms\\)$`, 'm'));
    expect(up.stdout).toMatch(/^covered {2}idx_outstanding_token_jti by \w+_uniq$/m);
    expect(up.stdout).not.toContain('\u001b');

    const after = await run('status');
    expect(after.code).toBe(0);
    expect((await run('plan')).stdout).toContain('Nothing is to be done.');
  });

  it('prints one document for status and plan with --json, and lines for up and down', async () => {
    await createSimplejwtTables(database.url);
    const plan = JSON.parse((await run('plan', '--json')).stdout) as { migrations: { name: string }[] };
    expect(plan.migrations.find(({ name }) => name === EXPIRES)).toMatchObject({
      action: 'build',
      cost: { inserts: 'anywhere' },
    });
    for (const action of [['up'], ['down', '--yes']]) {
      const { stdout } = await run(...action, '--json');
      const events = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { event: string });
      expect(events.map(({ event }) => event)).toContain('step_finished');
      expect(events.at(-1)).toMatchObject({ event: 'done', steps: expect.arrayContaining([]) as unknown[] });
    }
  });

  it('down without a name shows what it would undo, and undoes nothing until --yes is typed', async () => {
    await createSimplejwtTables(database.url);
    await run();
    await query(database.url, `DROP INDEX idx_blacklisted_token_created`);
    await query(
      database.url,
      `DROP INDEX ${EXPIRES}; CREATE INDEX ${EXPIRES} ON token_blacklist_outstandingtoken (jti)`,
    );
    const everything = `SELECT (SELECT count(*) FROM carelink.migrations)::int AS ledger,
                               (SELECT count(*) FROM pg_class WHERE relname LIKE 'idx%')::int AS indexes`;
    const before = await query(database.url, everything);
    const plan = await run('down');
    expect(plan).toMatchObject({ code: 6, stderr: '' });
    expect(plan.stdout).toMatch(/^ {2}remove idx_refresh_token_user_created$/m);
    expect(plan.stdout).toMatch(/^ {11}DROP INDEX CONCURRENTLY public\.idx_refresh_token_user_created$/m);
    expect(plan.stdout).toMatch(/^ {2}forget idx_blacklisted_token_created$/m);
    expect(plan.stdout).toMatch(/^ {2}leave {2}idx_outstanding_token_expires$/m);
    expect(plan.stdout).toMatch(/^ {2}keep {3}carelink_schema$/m);
    expect(plan.stdout).toMatch(/Nothing was changed\. Add --yes/);
    const env = { CARELINK_YES: 'true' };
    const args = ['migrate', 'down', '--json', '--drop-tables', '--database-url', database.url];
    const shown = await runCommand(args, env);
    expect(shown.code).toBe(6);
    expect(JSON.parse(shown.stdout)).toMatchObject({
      event: 'plan',
      steps: expect.arrayContaining([
        expect.objectContaining({
          name: 'carelink_schema',
          action: 'remove',
          sql: 'DROP TABLE carelink.revoked_before;',
        }),
      ]) as unknown[],
    });
    expect(await query(database.url, everything)).toEqual(before);
    const done = await run('down', '--yes');
    expect(done.code).toBe(1);
    expect((await query<{ indexes: number }>(database.url, everything))[0]!.indexes).toBe(1);
  });

  it('exits 1 for an invalid index that is not its own, and says how to be rid of it', async () => {
    await createSimplejwtTables(database.url);
    await run();
    await query(
      database.url,
      `CREATE INDEX jti_ccnew ON token_blacklist_outstandingtoken (jti);
       UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'jti_ccnew'::regclass`,
    );
    const status = await run('status');
    expect(status.code).toBe(1);
    expect(status.stdout).toMatch(/^ {2}jti_ccnew .* DROP INDEX CONCURRENTLY public\.jti_ccnew;$/m);
    expect((await run('plan')).stdout).toMatch(/^Invalid indexes:\n {2}jti_ccnew /m);
    const up = await run();
    expect(up).toMatchObject({ code: 0, stderr: expect.stringMatching(/^warning: jti_ccnew /) as string });
  });

  it('says why nothing is there, and why nothing was done', async () => {
    expect((await run('status')).stdout).toMatch(/^ {2}The database has no table /m);
    expect((await run('plan')).stdout).toMatch(/would be refused: see the end/);
    expect(await run('down')).toMatchObject({ code: 0, stdout: 'Nothing is to be undone.\n' });
  });

  it.each([
    [2, ['sideways'], /migrate does one of up, status, plan, down/],
    [2, ['plan', EXPIRES], /takes no names/],
    [2, ['up', 'idx_nonsense'], /There is no migration idx_nonsense/],
    [4, ['up'], /The database has no table token_blacklist_outstandingtoken/],
  ])('exits %i for %j', async (code, args, message) => {
    const failed = await run(...args);
    expect(failed.code).toBe(code);
    expect(failed.stderr).toMatch(message);
    expect(failed.stdout).toBe('');
  });

  /** A build that waits for somebody's snapshot, and the lines that it has printed. */
  const waiting = async () => {
    await createSimplejwtTables(database.url);
    const holder = new pg.Client({ connectionString: database.url, application_name: 'nightly report' });
    await holder.connect();
    await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await holder.query("SELECT 'a secret'");
    const child = start('up', EXPIRES);
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout! })) {
      lines.push(line);
      if (line.startsWith('waiting')) break;
    }
    return { child, holder, lines };
  };

  it('says who is in the way, exits 5 beside another run, and 130 where it is interrupted', async () => {
    const { child, holder, lines } = await waiting();
    try {
      expect(lines.at(-1)).toMatch(
        new RegExp(
          `^waiting  ${EXPIRES} for session \\d+ \\(postgres, nightly report, idle in transaction, .* old\\): SELECT '…'$`,
        ),
      );
      const beside = await run('--max-wait', '0ms');
      expect(beside.code).toBe(5);
      expect(beside.stderr).toMatch(/Another carelink-tokens migrate is running/);
      const closed = once(child, 'close');
      child.kill('SIGINT');
      expect((await closed)[0]).toBe(130);
      const { rows } = await holder.query('SELECT 1 FROM pg_class WHERE relname = $1', [EXPIRES]);
      expect(rows).toEqual([]);
    } finally {
      child.kill('SIGKILL');
      await holder.end();
    }
  });
});

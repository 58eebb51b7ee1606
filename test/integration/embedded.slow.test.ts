import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gated } from '../../src/store/embedded-address.js';
import { startEmbedded, type Embedded } from '../../src/store/embedded.js';

const DIST = new URL('../../dist/store/', import.meta.url);
const workerUrl = new URL('embedded-worker.js', DIST);

/** A first start makes a cluster: on a busy machine half a minute. */
const BOOT_MS = 180_000;

const root = mkdtempSync(join(tmpdir(), 'carelink-embedded-'));
const dataDir = join(root, 'data');
let embedded: Embedded;
let pool: pg.Pool;

beforeAll(async () => {
  // What a first start leaves that was killed half-way: a cluster that was never finished.
  mkdirSync(join(dataDir, 'pgdata'), { recursive: true, mode: 0o700 });
  writeFileSync(join(dataDir, 'pgdata', 'PG_VERSION'), '18\n');
  writeFileSync(join(dataDir, 'pgdata.making'), '');
  embedded = await startEmbedded({ dataDir, workerUrl });
  pool = new pg.Pool({ ...embedded.connection, max: 1 });
}, BOOT_MS);

afterAll(async () => {
  await pool.end();
  await embedded.stop();
  rmSync(root, { recursive: true });
});

describe('the embedded PostgreSQL', () => {
  it('puts an unfinished cluster aside, makes a new one, and speaks SQL', async () => {
    expect(existsSync(join(dataDir, 'pgdata.incomplete', 'PG_VERSION'))).toBe(true);
    const { rows } = await pool.query<{ sum: number }>('SELECT $1::int + 1 AS sum', [41]);
    expect(rows).toEqual([{ sum: 42 }]);
  });

  it('takes 50 failing queries in a row, the pool dropping its connection after each', async () => {
    let failed = 0;
    for (let i = 0; i < 50; i++) {
      await pool.query('SELECT 1 / 0').catch((error: unknown) => {
        expect((error as pg.DatabaseError).code).toBe('22012');
        failed++;
      });
    }
    expect(failed).toBe(50);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('gives a new connection nothing of the last: no prepared name, no setting, no transaction, no lock', async () => {
    for (let round = 0; round < 20; round++) {
      const client = await pool.connect();
      try {
        await client.query(`SET statement_timeout = '7s'`);
        await client.query({ name: 'same name', text: 'SELECT 1 AS one' });
        await client.query('SELECT pg_advisory_lock(1)');
        await client.query('BEGIN');
        await client.query('CREATE TABLE never (i int)');
      } finally {
        client.release(true);
      }
      const { rows } = await pool.query({ name: 'same name', text: 'SELECT 1 AS one' });
      expect(rows).toEqual([{ one: 1 }]);
      const after = await pool.query(
        `SELECT current_setting('statement_timeout') AS timeout, to_regclass('never') AS never,
                (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory') AS locks`,
      );
      expect(after.rows).toEqual([{ timeout: '0', never: null, locks: 0 }]);
    }
  });

  it('keeps settings that a client made as soon as it was connected', async () => {
    for (let round = 0; round < 20; round++) {
      const client = new pg.Client(embedded.connection);
      await client.connect();
      await client.query(`SELECT set_config('lock_timeout', '100ms', false)`);
      const { rows } = await client.query('SHOW lock_timeout');
      expect(rows).toEqual([{ lock_timeout: '100ms' }]);
      await client.end();
    }
  });

  it('carries large messages both ways', async () => {
    const text = 'é'.repeat(300_000);
    for (let round = 0; round < 10; round++) {
      const { rows } = await pool.query<{ back: string }>('SELECT $1::text AS back', [text + String(round)]);
      expect(rows[0]!.back === text + String(round)).toBe(true);
    }
  });

  it.skipIf(process.platform === 'win32')('is reached through a gate by who has the password', async () => {
    const { host, port } = embedded.connection;
    const gate = await gated(join(host, `.s.PGSQL.${port}`));
    expect(gate.connection.host).toBe('127.0.0.1');
    const through = (password: string) => new pg.Client({ ...gate.connection, password });
    const right = gate.connection.password!;
    try {
      const client = through(right);
      await client.connect();
      const text = 'x'.repeat(200_000);
      expect((await client.query('SELECT $1::text = $2 AS same', [text, text])).rows).toEqual([
        { same: true },
      ]);
      await client.end();
      for (const password of ['wrong', '', right.slice(1), `${right}0`]) {
        await expect(through(password).connect()).rejects.toThrow(/password/);
      }
    } finally {
      await gate.release();
    }
  });
});

describe('a stopped embedded PostgreSQL', () => {
  it('starts again with what it had, in a directory too deep for a socket', async () => {
    await pool.query('CREATE TABLE kept AS SELECT 1 AS i');
    await pool.end();
    await embedded.stop();
    const deep = join(root, 'd'.repeat(120));
    cpSync(dataDir, deep, { recursive: true });
    const there = await startEmbedded({ dataDir: deep, workerUrl });
    expect(there.connection.host.startsWith(deep)).toBe(process.platform === 'win32');
    const client = new pg.Client(there.connection);
    await client.connect();
    expect((await client.query('SELECT i FROM kept')).rows).toEqual([{ i: 1 }]);
    await client.end();
    await there.stop();
    if (process.platform !== 'win32') expect(existsSync(there.connection.host)).toBe(false);

    embedded = await startEmbedded({ dataDir, workerUrl });
    pool = new pg.Pool({ ...embedded.connection, max: 1 });
  });

  it('says so when it cannot start', async () => {
    const broken = join(root, 'broken');
    mkdirSync(join(broken, 'pgdata'), { recursive: true });
    writeFileSync(join(broken, 'pgdata', 'PG_VERSION'), '18\n');
    writeFileSync(join(broken, 'pgdata.complete'), '');
    await expect(startEmbedded({ dataDir: broken, workerUrl })).rejects.toThrow(
      /embedded PostgreSQL in .* does not start \(.+\).*delete the whole directory/,
    );
  });
});

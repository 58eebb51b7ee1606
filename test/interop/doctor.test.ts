import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { examine } from '../../src/compose/doctor.js';
import { doctorSettings } from '../../src/config/doctor-settings.js';
import type { Diagnosis } from '../../src/doctor/index.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { run } from '../cli/run.js';
import { fakeClock } from '../integration/cleanup-support/world.js';
import { startDjango } from '../support/django.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { services } from '../support/services.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

const ready = services().postgres !== undefined && services().django && services().redis !== undefined;

interface BrokenSetUp {
  readonly title: string;
  /** What is done to a sound database. */
  readonly sql?: string;
  readonly flags?: Readonly<Record<string, string | string[]>>;
  readonly key?: string;
  readonly check: string;
  readonly severity: 'fault' | 'warning';
  /** What is said of it, and how it is mended. */
  readonly says: RegExp;
  readonly mend: RegExp;
}

const SET_UPS: readonly BrokenSetUp[] = [
  { title: 'nobody listens at the database\'s port', flags: { 'database-url': 'postgres://u:secret@127.0.0.1:1/d' },
    check: 'database', severity: 'fault', says: /127\.0\.0\.1:1.*could not be reached/, mend: /--database-url/ },
  { title: 'the blacklist app was never migrated',
    sql: `DROP TABLE token_blacklist_blacklistedtoken, token_blacklist_outstandingtoken;
          DELETE FROM django_migrations WHERE app = 'token_blacklist'`,
    check: 'token_tables', severity: 'fault', says: /app .*token_blacklist is not installed/, mend: /INSTALLED_APPS/ },
  { title: 'one of its tables was dropped', sql: 'DROP TABLE token_blacklist_blacklistedtoken',
    check: 'token_tables', severity: 'fault', says: /Django has written down/, mend: /--fake/ },
  { title: 'our migrations have not run', sql: 'DROP SCHEMA carelink CASCADE',
    check: 'migrations', severity: 'fault', says: /carelink_schema/, mend: /carelink-tokens migrate/ },
  { title: 'an index is invalid',
    sql: `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_outstanding_token_expires'::regclass`,
    check: 'migrations', severity: 'fault', says: /invalid: idx_outstanding_token_expires/, mend: /carelink-tokens migrate/ },
  { title: 'the constraint that decides who wins is gone',
    sql: 'ALTER TABLE token_blacklist_blacklistedtoken DROP CONSTRAINT token_blacklist_blacklistedtoken_token_id_key',
    check: 'unique', severity: 'fault', says: /two could rotate one token/, mend: /CREATE UNIQUE INDEX/ },
  { title: 'Django signs with another key', key: 'another key, which is long enough for all of the algorithms',
    check: 'same_key', severity: 'fault', says: /everybody would be logged out/, mend: /SECRET_KEY/ },
  { title: 'Django signs with another algorithm', flags: { algorithm: 'HS384' },
    check: 'same_key', severity: 'fault', says: /signed with HS256/, mend: /--algorithm/ },
  { title: 'a migration that simplejwt never shipped',
    sql: `INSERT INTO django_migrations (app, name, applied) VALUES ('token_blacklist', '0012_auto_20240301', now())`,
    check: 'django_migrations', severity: 'warning', says: /never shipped: 0012_auto_20240301/, mend: /django_migrations/ },
  { title: 'user ids that do not fit the key of users',
    sql: `CREATE TABLE people (id uuid PRIMARY KEY, is_active boolean NOT NULL)`, flags: { 'user-table': 'people' },
    check: 'user_ids', severity: 'fault', says: /type uuid/, mend: /--user-id-column/ },
  { title: 'a claim of another name', flags: { 'user-id-claim': 'sub' },
    check: 'user_ids', severity: 'fault', says: /no claim sub; they have .*user_id/, mend: /--user-id-claim/ },
  { title: 'a user table that is not there', flags: { 'user-table': 'staff', 'user-check': 'on' },
    check: 'user_table', severity: 'fault', says: /no user table staff/, mend: /--user-table/ },
  { title: 'a key that can be guessed', key: 'hunter2',
    check: 'signing_key', severity: 'fault', says: /bytes|bits/, mend: /openssl rand/ },
  { title: 'refresh tokens that live longer here', flags: { 'refresh-lifetime': '30d' },
    check: 'lifetime', severity: 'warning', says: /2592000 s/, mend: /--refresh-lifetime/ },
  { title: 'no Redis at its URL', flags: { 'redis-url': 'redis://:secret@127.0.0.1:1' },
    check: 'redis', severity: 'fault', says: /does not answer \(ECONNREFUSED\)/, mend: /--redis-url/ },
  { title: 'tokens that expired long ago',
    sql: `UPDATE token_blacklist_outstandingtoken SET expires_at = now() - interval '31 days' WHERE id = 1`,
    check: 'expired', severity: 'warning', says: /nobody cleans up/, mend: /cleanup/ },
]; // prettier-ignore

describe.skipIf(!ready)('doctor', () => {
  let base: FreshDatabase;
  let redis: RedisServer;
  let directory: string;
  const copies: FreshDatabase[] = [];
  let lifetime: string;

  beforeAll(async () => {
    base = await freshDatabase();
    const django = await startDjango({ database: base.url });
    const user = await django.makeUser();
    for (let n = 0; n < 3; n++) await django.mint(user);
    await django.stop();
    await applyMigrations(base.url, { createTables: false });
    const [row] = await query<{ seconds: string }>(
      base.url,
      `SELECT extract(epoch FROM expires_at - created_at)::int::text AS seconds
         FROM token_blacklist_outstandingtoken LIMIT 1`,
    );
    lifetime = `${row!.seconds}s`;
    redis = await startRedis();
    directory = mkdtempSync(join(tmpdir(), 'carelink-doctor-'));
  });
  afterAll(async () => {
    rmSync(directory, { recursive: true });
    await redis.stop();
    for (const copy of copies) await copy.drop();
    await base.drop();
  });

  async function copyOf(sql?: string): Promise<string> {
    const admin = services().postgres!;
    const copy = await freshDatabase();
    const name = new URL(copy.url).pathname.slice(1);
    copies.push(copy);
    await query(admin, `DROP DATABASE ${name}`);
    await query(admin, `CREATE DATABASE ${name} TEMPLATE ${new URL(base.url).pathname.slice(1)}`);
    if (sql !== undefined) await query(copy.url, sql);
    return copy.url;
  }

  function look(
    flags: Readonly<Record<string, string | string[]>>,
    key = TEST_SIGNING_KEY,
    readFile?: boolean,
  ) {
    const env = { CARELINK_SIGNING_KEY: key, CARELINK_CHAIN_KEY: '00'.repeat(32) };
    const reader = readFile === true ? (path: string) => readFileSync(path, 'utf8') : () => '';
    return examine(
      doctorSettings(
        {
          'database-url': base.url,
          'redis-url': `redis://127.0.0.1:${redis.port}`,
          'refresh-lifetime': lifetime,
          'simplejwt-compat': '5.2',
          ...flags,
        },
        { env, cwd: '/', readFile: reader },
      ),
    );
  }
  const wrong = (diagnoses: readonly Diagnosis[]) =>
    diagnoses
      .filter(({ status }) => status !== 'ok' && status !== 'unused')
      .map(({ check, status }) => ({ check, status }));

  test('finds nothing in a sound set-up', async () => {
    expect(wrong(await look({}))).toEqual([]);
  });

  test.each(SET_UPS)('$title: $check', async ({ sql, flags = {}, key, check, severity, says, mend }) => {
    const url = sql === undefined ? base.url : await copyOf(sql);
    const diagnoses = await look({ 'database-url': url, ...flags }, key);
    const found = diagnoses.find((one) => one.check === check)!;
    expect(wrong(diagnoses), 'found as its worst').toContainEqual({ check, status: severity });
    const finding = found.findings.find((one) => one.severity === severity)!;
    expect(finding.what).toMatch(says);
    expect(finding.mend).toMatch(mend);
    // One fault, one name: what builds on it is not accused as well.
    const accused = wrong(diagnoses).filter(({ status }) => status === 'fault');
    const beside = check === 'signing_key' ? ['same_key'] : [];
    expect(accused.map((one) => one.check).filter((one) => one !== check && !beside.includes(one))).toEqual(
      [],
    );
    expect(JSON.stringify(diagnoses)).not.toMatch(/secret@|eyJ/);
  });

  test('clocks that differ', async () => {
    const url = await copyOf();
    await fakeClock(url, new Date(Date.now() + 20_000).toISOString());
    const diagnoses = await look({ 'database-url': url });
    expect(wrong(diagnoses)).toEqual([{ check: 'clock', status: 'fault' }]);
    expect(diagnoses.find(({ check }) => check === 'clock')!.findings[0]!.what).toMatch(/\d\d\.\d s behind/);
  });

  test('a role that may not write', async () => {
    const role = `reader_${process.pid}`;
    const url = new URL(await copyOf());
    await query(
      url.href,
      `CREATE ROLE ${role} LOGIN;
       GRANT USAGE ON SCHEMA carelink TO ${role};
       GRANT SELECT ON ALL TABLES IN SCHEMA public, carelink TO ${role}`,
    );
    try {
      url.username = role;
      const faults = wrong(await look({ 'database-url': url.href })).filter(
        ({ status }) => status === 'fault',
      );
      expect(faults).toEqual([{ check: 'grants', status: 'fault' }]);
    } finally {
      url.username = 'postgres';
      await query(url.href, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  test('a Redis that evicts any key', async () => {
    await redis.cli('CONFIG', 'SET', 'maxmemory', '100mb');
    await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    expect(wrong(await look({}))).toEqual([{ check: 'redis_eviction', status: 'fault' }]);
    await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    expect(wrong(await look({}))).toEqual([]);
  });

  test('a certificate that is about to expire', async () => {
    const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3', '-subj',
      '/CN=tokens.example', '-keyout', key, '-out', cert,
    ], { stdio: 'ignore' }); // prettier-ignore
    const diagnoses = await look({ 'tls-cert': cert, 'tls-key': key }, TEST_SIGNING_KEY, true);
    expect(wrong(diagnoses)).toEqual([{ check: 'certificate', status: 'warning' }]);
  });

  test('the command: exit 1 and JSON where there is a fault, exit 0 and a list where there is none', async () => {
    const env = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY, CARELINK_REFRESH_LIFETIME: lifetime };
    const [sound, broken] = await Promise.all([
      run(['doctor', '--database-url', base.url], env),
      run(['doctor', '--json', '--database-url', base.url, '--user-id-claim', 'sub'], env),
    ]);
    expect([sound.code, sound.stderr]).toEqual([0, '']);
    expect(sound.stdout).toContain('No fault found');
    expect(broken.code).toBe(1);
    expect(JSON.parse(broken.stdout)).toMatchObject({ ok: false, faults: 1 });
  });
});

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
import { mintRefresh, TEST_SIGNING_KEY, type MintOptions } from '../support/tokens.js';
import { SET_UPS } from './doctor-set-ups.js';

const ready = services().postgres !== undefined && services().django && services().redis !== undefined;

describe.skipIf(!ready)('doctor', () => {
  let base: FreshDatabase;
  let redis: RedisServer;
  let directory: string;
  const copies: FreshDatabase[] = [];
  let lifetime: string;
  let lifetimeSeconds: number;

  beforeAll(async () => {
    base = await freshDatabase();
    const django = await startDjango({ database: base.url });
    const user = await django.makeUser();
    for (let n = 0; n < 3; n++) await django.mint(user);
    for (let n = 0; n < 2; n++) await django.mintSliding(user);
    await django.stop();
    await applyMigrations(base.url, { createTables: false });
    const [row] = await query<{ seconds: string }>(
      base.url,
      `SELECT extract(epoch FROM expires_at - created_at)::int::text AS seconds
         FROM token_blacklist_outstandingtoken ORDER BY id LIMIT 1`,
    );
    lifetimeSeconds = Number(row!.seconds);
    lifetime = `${lifetimeSeconds}s`;
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
    const env = { CARELINK_SIGNING_KEY: key, CARELINK_CHAIN_KEY: '00112233445566778899aabbccddeeff' };
    const reader = readFile === true ? (path: string) => readFileSync(path, 'utf8') : () => '';
    return examine(
      doctorSettings(
        {
          'database-url': base.url,
          'redis-url': `redis://127.0.0.1:${redis.port}`,
          'refresh-lifetime': lifetime,
          'simplejwt-compat': '5.2',
          ...flags,
          ...(typeof flags['redis-url'] === 'string' && {
            'redis-url': flags['redis-url'].replace(/^REDIS/, `redis://127.0.0.1:${redis.port}`),
          }),
        },
        { env, cwd: '/', readFile: reader },
      ),
    );
  }
  /** What a site that is five tokens old can't show. */
  const TOO_YOUNG = ['rotation', 'django_clock'];
  /** Of the server that tests share, not of the set-up: it may run without. */
  const OF_THE_SERVER = 'autovacuum';
  const wrong = (diagnoses: readonly Diagnosis[]) =>
    diagnoses
      .filter(({ check }) => check !== OF_THE_SERVER)
      .filter(({ check, status }) => !(status === 'unknown' && TOO_YOUNG.includes(check)))
      .filter(({ status }) => status !== 'ok' && status !== 'unused')
      .map(({ check, status }) => ({ check, status }));

  let shared: string | undefined;
  /** A copy with the five tokens of the base alone, whatever a test before has added. */
  async function tokensOnly(): Promise<string> {
    shared ??= await copyOf();
    await query(
      shared,
      `DELETE FROM token_blacklist_blacklistedtoken; DELETE FROM token_blacklist_outstandingtoken WHERE id > 5`,
    );
    return shared;
  }
  /** Adds rows as a Django of this key would have written them. */
  async function addTokens(url: string, count: number, options: MintOptions = {}): Promise<void> {
    const tokens = Array.from({ length: count }, () => mintRefresh({ lifetimeSeconds, ...options }));
    await query(
      url,
      `INSERT INTO token_blacklist_outstandingtoken (token, jti, created_at, expires_at, user_id)
       SELECT token, jti, to_timestamp(iat), to_timestamp(exp), 1
         FROM jsonb_to_recordset($1) AS t (token text, jti text, iat bigint, exp bigint)`,
      [JSON.stringify(tokens.map((t) => ({ ...t, iat: t.iatSeconds, exp: t.expSeconds })))],
    );
  }

  test('finds nothing in a sound set-up', async () => {
    expect(wrong(await look({}))).toEqual([]);
  });

  test('two applications that share the tables are no fault, and how many of the tokens are ours is told', async () => {
    const url = await tokensOnly();
    await addTokens(url, 100, { key: 'the key of another application, which is long enough' });
    const diagnoses = await look({ 'database-url': url });
    expect(wrong(diagnoses)).toEqual([{ check: 'same_key', status: 'warning' }]);
    expect(diagnoses.find(({ check }) => check === 'same_key')!.findings[0]!.what).toMatch(
      /^5 of \d+ sampled tokens verify with these keys/,
    );
    await addTokens(url, 2);
    expect(wrong(await look({ 'database-url': url }))).toEqual([{ check: 'same_key', status: 'note' }]);
  });

  test('a sliding site is not told to change --refresh-lifetime', async () => {
    const url = await copyOf(
      `DELETE FROM token_blacklist_outstandingtoken WHERE expires_at > now() + interval '1 hour'`,
    );
    const diagnoses = await look({
      'database-url': url,
      'refresh-lifetime': '30d',
      'sliding-lifetime': '30m',
    });
    expect(JSON.stringify(diagnoses)).not.toMatch(/--refresh-lifetime \d/);
    expect(wrong(diagnoses)).toEqual([
      { check: 'lifetime', status: 'unknown' },
      { check: 'sliding_lifetime', status: 'warning' },
    ]);
  });

  test('a hash of the password in the tokens, and tokens that nobody ever rotates', async () => {
    const url = await tokensOnly();
    const claims = { hash_password: 'D41D8CD98F00B204E9800998ECF8427E' };
    await addTokens(url, 25, { iatSeconds: Math.floor(Date.now() / 1000) - 4 * 3_600, claims });
    const diagnoses = await look({ 'database-url': url });
    expect(wrong(diagnoses)).toEqual([
      { check: 'rotation', status: 'warning' },
      { check: 'password_claim', status: 'warning' },
    ]);
    await query(
      url,
      'INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) SELECT max(id), now() FROM token_blacklist_outstandingtoken',
    );
    expect(wrong(await look({ 'database-url': url }))).toEqual([
      { check: 'password_claim', status: 'warning' },
    ]);
  });

  test('whether the site rotates is read from its old tokens, and each policy is held against it', async () => {
    const url = await tokensOnly();
    await addTokens(url, 30, { iatSeconds: Math.floor(Date.now() / 1000) - 4 * 3_600 });
    const of = async (rotation: string) =>
      (await look({ 'database-url': url, rotation })).find(({ check }) => check === 'rotation')!;
    // A site that doesn't: `off`, `keep` and `offered` fit.
    const statuses = async () =>
      Promise.all(['on', 'off', 'keep', 'offered'].map(async (rotation) => (await of(rotation)).status));
    expect(await statuses()).toEqual(['warning', 'ok', 'ok', 'unused']);
    // Now and then somebody logs out.
    const spend = (count: number) =>
      query(
        url,
        `INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
         SELECT id, now() FROM token_blacklist_outstandingtoken WHERE id > 5
          ORDER BY id DESC LIMIT $1 ON CONFLICT DO NOTHING`,
        [count],
      );
    await spend(3);
    expect(await statuses()).toEqual(['ok', 'ok', 'ok', 'unused']);
    // A site that does.
    await spend(30);
    expect(await statuses()).toEqual(['ok', 'warning', 'warning', 'unused']);
    for (const rotation of ['off', 'keep'])
      expect((await of(rotation)).findings[0]!.what).toContain(`--rotation ${rotation} does not`);
  });

  test('a password that is compared: tokens with its hash are accepted, and without it none is', async () => {
    const url = await tokensOnly();
    const flags = { 'database-url': url, 'revoke-claim': 'hash_password' };
    const changed = [
      { check: 'refreshable', status: 'unknown' },
      { check: 'password_claim', status: 'fault' },
    ];
    expect(wrong(await look(flags))).toEqual(changed);
    const [row] = await query<{ hash: string }>(
      url,
      'SELECT upper(md5(password)) AS hash FROM auth_user WHERE id = 1',
    );
    await addTokens(url, 30, { userId: 1, claims: { hash_password: row!.hash } });
    expect(wrong(await look(flags))).toEqual([]);
    const other = await look({ ...flags, 'revoke-claim': 'mark' });
    expect(other.find(({ check }) => check === 'password_claim')).toMatchObject({
      status: 'fault',
      findings: [{ what: expect.stringContaining('They have a hash in hash_password') }],
    });
    await query(url, `UPDATE auth_user SET password = 'another' WHERE id = 1`);
    expect(wrong(await look(flags))).toEqual(changed);
    await query(url, `ALTER TABLE auth_user RENAME COLUMN password TO secret`);
    expect(wrong(await look(flags)).map(({ check }) => check)).toContain('user_table');
    await query(url, `ALTER TABLE auth_user RENAME COLUMN secret TO password`);
  });

  test('what cannot be kept is told: an integer sub that PyJWT refuses, and NaN in a claim', async () => {
    const url = await tokensOnly();
    await addTokens(url, 30, { userId: 1, claims: { sub: 1 } });
    const numeric = (diagnoses: readonly Diagnosis[]) =>
      diagnoses.find(({ check }) => check === 'numeric_sub')!.status;
    expect(numeric(await look({ 'database-url': url }))).toBe('warning');
    expect(numeric(await look({ 'database-url': url, 'sub-as-text': 'true' }))).toBe('ok');
  });

  test('user ids as numbers are no sign of 5.2: 5.5.0 writes them, too', async () => {
    const mends = async (compat: string) =>
      (await look({ 'simplejwt-compat': compat })).find(({ check }) => check === 'user_ids')!.findings[0]
        ?.mend;
    expect(await mends('5.5')).toMatch(/below 5\.5\.0 set --simplejwt-compat 5\.2/);
    const url = await copyOf('DELETE FROM token_blacklist_outstandingtoken');
    await addTokens(url, 2, { userId: '1' });
    const texts = await look({ 'database-url': url, 'simplejwt-compat': '5.2' });
    expect(texts.find(({ check }) => check === 'user_ids')!.findings[0]!.what).toMatch(/from 5\.5\.1 on/);
  });

  test("a Django whose clock is behind the database's, or ahead of it", async () => {
    const url = await tokensOnly();
    const nowSeconds = Math.floor(Date.now() / 1000);
    // A rotation of ours is dated by the database; what Django writes after it has an earlier time.
    await addTokens(url, 1);
    await query(
      url,
      `INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
       SELECT 1, created_at FROM token_blacklist_outstandingtoken ORDER BY id DESC LIMIT 1`,
    );
    await addTokens(url, 3, { iatSeconds: nowSeconds - 4 });
    const behind = await look({ 'database-url': url });
    expect(wrong(behind)).toEqual([{ check: 'django_clock', status: 'warning' }]);
    expect(behind.find(({ check }) => check === 'django_clock')!.findings[0]!.what).toMatch(
      /at least \d\.\d s behind/,
    );
    await addTokens(url, 1, { iatSeconds: nowSeconds + 60 });
    const ahead = (await look({ 'database-url': url })).find(({ check }) => check === 'django_clock')!;
    expect(ahead.findings[0]).toMatchObject({ severity: 'fault' });
    expect(ahead.findings[0]!.what).toMatch(/Django's clock is ahead/);
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
    const beside = ['signing_key', 'example_secrets'].includes(check) ? ['same_key'] : [];
    expect(accused.map((one) => one.check).filter((one) => one !== check && !beside.includes(one))).toEqual(
      [],
    );
    expect(JSON.stringify(diagnoses)).not.toMatch(/hush-hush|eyJ/);
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

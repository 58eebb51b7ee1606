/** What goes into a bug report, and what does not. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { createUsers, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';
import { run } from './run.js';

interface Bundle {
  readonly release: Readonly<Record<string, string>>;
  readonly options: readonly { option: string; from: string; value?: string; hidden: boolean }[];
  readonly problems: readonly string[];
  readonly doctor: readonly { check: string; status: string }[] | { failed: string; message: string };
  readonly migrations?: readonly { name: string; state: string }[];
}

const KEY = 'a key that is long enough for HS256, really';
const CHAIN_KEY = '00112233445566778899aabbccddeeff';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'carelink-bundle-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe.skipIf(services().postgres === undefined)('a support bundle', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await migratedDatabase();
  });
  afterAll(() => database.drop());

  it('tells versions, options, findings and migrations; no secret, no host, no user, no token', async () => {
    const users = await createUsers(database.url, 3);
    const tokens = await issueTokens(database.url, users);
    const file = join(directory, 'ward7-carelink.env');
    writeFileSync(file, `CARELINK_CHAIN_KEY=${CHAIN_KEY}\nCARELINK_REUSE_GRACE=10s\n`, { mode: 0o600 });
    const url = new URL(database.url);
    const env = {
      DATABASE_URL: database.url,
      CARELINK_SIGNING_KEY: KEY,
      CARELINK_ALERT_WEBHOOK: 'https://hooks.example/hunter2',
    };
    const args = ['--env-file', file, '--rotation', 'offered', '--issuer', 'https://ward7.example'];
    const { code, stdout, stderr } = await run(['support-bundle', ...args], env);
    expect([code, stderr]).toEqual([0, 'Read it before you send it.\n']);
    const bundle = JSON.parse(stdout) as Bundle;

    expect(bundle.release['node']).toBe(process.versions.node);
    const given = Object.fromEntries(
      bundle.options.map(({ option, from, value }) => [option, [from, value]]),
    );
    expect(given).toEqual({
      'database-url': ['DATABASE_URL', undefined],
      'signing-key': ['CARELINK_SIGNING_KEY', undefined],
      'chain-key': ['CARELINK_CHAIN_KEY in --env-file', undefined],
      'reuse-grace': ['CARELINK_REUSE_GRACE in --env-file', '10s'],
      'alert-webhook': ['CARELINK_ALERT_WEBHOOK', undefined],
      'env-file': ['--env-file', undefined],
      issuer: ['--issuer', undefined],
      rotation: ['--rotation', 'offered'],
    });
    if (!Array.isArray(bundle.doctor)) throw new Error('doctor found nothing');
    expect(bundle.doctor.length).toBeGreaterThan(15);
    expect(bundle.migrations).toContainEqual({
      name: 'idx_outstanding_token_jti',
      state: expect.any(String),
    });

    const rows = await query<{ jti: string }>(
      database.url,
      'SELECT jti FROM token_blacklist_outstandingtoken',
    );
    const private_ = [
      KEY, CHAIN_KEY, 'hunter2', 'ward7', url.pathname.slice(1),
      ...tokens.flatMap(({ token, jti }) => [token, jti]), ...rows.map(({ jti }) => jti),
    ]; // prettier-ignore
    for (const word of private_) expect(stdout).not.toContain(word);
  });

  it('tells what is wrong with the settings, where they are what is wrong', async () => {
    const env = { CARELINK_SIGNING_KEY: KEY, DATABASE_URL: database.url, CARELINK_REUSE_GRACE: '10' };
    const { code, stdout } = await run(['support-bundle', '--json'], env);
    expect(code).toBe(0);
    const bundle = JSON.parse(stdout) as Bundle;
    expect(bundle.problems).toEqual([expect.stringContaining('CARELINK_REUSE_GRACE takes a duration')]);
    expect(bundle.doctor).toMatchObject({ failed: 'CONFIG_INVALID' });
  });

  it('of a database that is not there says so, and not where it would be', async () => {
    const env = { CARELINK_SIGNING_KEY: KEY, DATABASE_URL: 'postgres://jane:hunter2@ward7.invalid/charts' };
    const { code, stdout } = await run(['support-bundle'], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/"status": "fault"|"failed"/);
    expect(stdout).not.toMatch(/jane|hunter2|ward7|charts/);
  });

  it('goes into a file that nobody else reads, and over none', async () => {
    const file = join(directory, 'bundle.json');
    const env = { CARELINK_SIGNING_KEY: KEY, DATABASE_URL: database.url };
    const first = await run(['support-bundle', '--out', file], env);
    expect([first.code, first.stdout]).toEqual([0, '']);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((JSON.parse(readFileSync(file, 'utf8')) as Bundle).release['version']).toMatch(/^\d/);
    const second = await run(['support-bundle', '--out', file], env);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('there is a file of that name');
  });
});

import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectError } from '../../src/compose/connect-errors.js';
import { connectClient } from '../../src/store/connector.js';
import { UrlError } from '../../src/store/database-url-text.js';
import { readDatabaseUrl } from '../../src/store/database-url.js';
import { diagnoseConnect } from '../../src/store/connect-failure.js';
import { cleanEnvironment } from '../support/server.js';
import { startBouncer, type Bouncer } from '../support/pgbouncer.js';
import { openClient, startCluster, type Cluster } from '../support/postgres.js';
import { services } from '../support/services.js';
import { DATABASE_URLS, type UrlCase } from './database-urls-table.js';

/** What a connection came to. The same text is run by psycopg2. */
const FACTS = `
  SELECT json_build_object(
    'user', current_user, 'database', current_database(), 'port', inet_server_port(), 'standby', pg_is_in_recovery(),
    'tls', (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), 'search_path', current_setting('search_path'),
    'named', CASE current_setting('application_name') WHEN 'ours' THEN '' ELSE current_setting('application_name') END)`;

const PASSWORD = 'p@s/s:w?r#d%é';

const HBA = `
local     all  scram       scram-sha-256
local     all  all         trust
hostssl   all  by_cert     all  cert
hostssl   all  tls_only    all  trust
hostnossl all  plain_only  all  trust
host      all  scram       all  scram-sha-256
host      all  postgres    all  trust
host      replication postgres all trust
`;

const SETTING_UP_MS = 60_000;
const missing =
  services().postgresBin === undefined || services().pgbouncer === undefined || !services().django;

describe.skipIf(missing)('a PostgreSQL URL', () => {
  let tls: Cluster;
  let plain: Cluster;
  let bouncer: Bouncer;
  let directory: string;
  /** What was started, the last first. */
  const running: { stop(): Promise<void> }[] = [];
  let theirs: readonly { readonly facts?: unknown; readonly error?: string }[];

  const filled = (text: string): string =>
    text
      .replaceAll('{tls}', String(tls.port))
      .replaceAll('{plain}', String(plain.port))
      .replaceAll('{pool}', new URL(bouncer.url).port)
      .replaceAll('{dir}', directory)
      .replaceAll('{%dir}', encodeURIComponent(directory))
      .replaceAll('{password}', encodeURIComponent(PASSWORD));
  const envOf = ({ env = {} }: UrlCase): Record<string, string> =>
    Object.fromEntries(Object.entries(env).map(([name, value]) => [name, filled(value)]));

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'cl-'));
    chmodSync(directory, 0o777);
    tls = await startCluster({ settings: { unix_socket_directories: directory } });
    running.unshift(tls);
    const admin = await openClient(tls.url);
    const [{ data }] = (
      await admin.query<{ data: string }>('SELECT current_setting($1) AS data', ['data_directory'])
    ).rows as [{ data: string }];
    const { uid, gid } = statSync(data);
    for (const name of [
      'ca.crt',
      'other-ca.crt',
      'client.crt',
      'client.key',
      'client-locked.key',
      'server.crt',
      'server.key',
    ]) {
      copyFileSync(join('test/support/tls-authority', name), join(directory, name));
      chmodSync(join(directory, name), 0o600);
      if (!name.startsWith('server') && name !== 'ca.crt') continue;
      copyFileSync(join(directory, name), join(data, name));
      chmodSync(join(data, name), 0o600);
      chownSync(join(data, name), uid, gid);
    }
    const line = `localhost:*:*:scram:${PASSWORD.replaceAll(':', '\\:')}\n127.0.0.1:*:*:scram:wrong\n`;
    writeFileSync(join(directory, 'passes'), line, { mode: 0o600 });
    writeFileSync(join(directory, 'open-passes'), line, { mode: 0o644 });
    writeFileSync(join(data, 'pg_hba.conf'), HBA);
    for (const statement of [
      `CREATE ROLE scram LOGIN PASSWORD '${PASSWORD}'`,
      'CREATE ROLE by_cert LOGIN', 'CREATE ROLE tls_only LOGIN', 'CREATE ROLE plain_only LOGIN', 'CREATE ROLE unnamed LOGIN',
      'CREATE DATABASE "my app"', 'CREATE DATABASE closed', 'REVOKE CONNECT ON DATABASE closed FROM PUBLIC',
      "ALTER SYSTEM SET ssl_ca_file = 'ca.crt'", 'ALTER SYSTEM SET ssl = on', 'SELECT pg_reload_conf()', 'SELECT pg_sleep(0.3)',
    ]) await admin.query(statement); // prettier-ignore
    await admin.end();
    // A standby without TLS, which has the same roles and the same pg_hba.conf.
    plain = await startCluster({ copyOf: { url: tls.url, standby: true }, settings: { ssl: 'off' } });
    running.unshift(plain);
    bouncer = await startBouncer(tls.url, { pool_mode: 'transaction' });
    running.unshift(bouncer);
    theirs = await psycopg2(DATABASE_URLS);
  }, SETTING_UP_MS);

  afterAll(async () => {
    for (const started of running) await started.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function psycopg2(cases: readonly UrlCase[]): Promise<typeof theirs> {
    const lines = cases.map((one) =>
      JSON.stringify({ url: filled(one.psycopg2 ?? one.url), env: envOf(one) }),
    );
    const { stdout, stderr } = spawnSync('/usr/bin/python3', ['test/support/psycopg2-connects.py', FACTS], {
      input: lines.join('\n'),
      encoding: 'utf8',
      env: cleanEnvironment({ HOME: directory }),
    });
    // libpq's own remark on the file that others may read.
    expect(stderr.replace(/^WARNING: password file .*\n/gm, '')).toBe('');
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as (typeof theirs)[number]);
  }

  async function ours(one: UrlCase): Promise<{ facts?: unknown; failure?: string; message?: string }> {
    let target;
    try {
      target = readDatabaseUrl(filled(one.url), { env: envOf(one), osUser: 'root' });
    } catch (error) {
      if (!(error instanceof UrlError)) throw error;
      return { failure: 'url', message: error.message };
    }
    try {
      const client = await connectClient(target, 'ours', 5_000, 5_000);
      const { rows } = await client.query<{ json_build_object: unknown }>(FACTS);
      await client.end();
      return { facts: rows[0]?.json_build_object };
    } catch (error) {
      const told = connectError(error, target);
      return { failure: diagnoseConnect(error)?.failure ?? String(error), message: told?.message ?? '' };
    }
  }

  it.each(DATABASE_URLS.map((one, n) => [one.url, one, n] as const))('%s', async (_, one, n) => {
    const [mine, other] = [await ours(one), theirs[n]!];
    if (one.comes === 'connects') {
      expect(mine).toEqual({ facts: expect.objectContaining(one.to ?? {}) });
      // Whatever psycopg2 connects to, and as whom: the same.
      if (one.differs === undefined) expect(mine.facts).toEqual(other.facts);
      else expect(other.facts).not.toEqual(mine.facts);
      return;
    }
    expect(mine.failure).toBe(one.comes);
    expect(mine.message).toContain(filled(one.says ?? ''));
    expect(mine.message).not.toMatch(/hunter|p@s|opensesame|nobody foresaw/);
    // psycopg2 comes to no connection either.
    if (one.differs === undefined) expect(other.error).toEqual(expect.any(String));
    else expect(other.facts).toEqual(expect.anything());
  });

  it('is one of at least 60 that are tried', () => expect(DATABASE_URLS.length).toBeGreaterThanOrEqual(60));
});

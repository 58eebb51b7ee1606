import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { examine } from '../../src/compose/doctor.js';
import { doctorSettings } from '../../src/config/doctor-settings.js';
import type { Diagnosis } from '../../src/doctor/index.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { run } from '../cli/run.js';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  query,
  startCluster,
  type Cluster,
  type FreshDatabase,
} from '../support/postgres.js';
import { services } from '../support/services.js';
import { mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

const FOREIGN_KEY = 'the key of somebody else, which is long enough for HS256';

function look(
  url: string,
  flags: Readonly<Record<string, string>> = {},
  key = TEST_SIGNING_KEY,
): Promise<readonly Diagnosis[]> {
  const env = { CARELINK_SIGNING_KEY: key, CARELINK_CHAIN_KEY: '00112233445566778899aabbccddeeff' };
  const source = { env, cwd: '/', readFile: () => '' };
  return examine(doctorSettings({ 'database-url': url, ...flags }, source));
}

const of = (diagnoses: readonly Diagnosis[], check: string): Diagnosis =>
  diagnoses.find((one) => one.check === check)!;

/** One unspent token each of so many users. */
async function fillTables(url: string): Promise<void> {
  const [user] = await createUsers(url, 1);
  const { token, jti, expSeconds } = mintRefresh({ userId: user! });
  await query(
    url,
    `INSERT INTO token_blacklist_outstandingtoken (token, jti, created_at, expires_at, user_id)
     VALUES ($1, $2, now(), to_timestamp($3), $4)`,
    [token, jti, expSeconds, user],
  );
}

/** Each can't tell says why, and nothing says "foreseen" or shows a stack, whatever the set-up. */
function expectAnswers(diagnoses: readonly Diagnosis[]): void {
  for (const { check, status, why } of diagnoses) {
    if (status === 'unknown') expect(why, check).toMatch(/\w{3}/);
    expect(why ?? '', check).not.toMatch(/a bug/);
  }
  expect(JSON.stringify(diagnoses)).not.toMatch(/ {4}at |eyJ/);
}

describe.skipIf(services().postgres === undefined)('doctor answers in every set-up', () => {
  let world: FreshDatabase;
  const role = `doctor_${process.pid}`;
  const opened: FreshDatabase[] = [];
  const asRole = (url: string): string => {
    const its = new URL(url);
    its.username = role;
    return its.href;
  };

  beforeAll(async () => {
    world = await freshDatabase();
    await createSimplejwtTables(world.url, { identity: false });
    await fillTables(world.url);
    await query(world.url, `CREATE ROLE ${role} LOGIN`);
  });
  afterAll(async () => {
    for (const database of [world, ...opened]) {
      await query(database.url, `DROP OWNED BY ${role}`).catch(() => undefined);
      await database.drop();
    }
    await query(services().postgres!, `DROP ROLE ${role}`);
  });
  async function fresh(encoding?: string): Promise<string> {
    const database = await freshDatabase(undefined, { encoding });
    opened.push(database);
    return database.url;
  }

  test('before `migrate` ran: keys are judged, and a key of somebody else is a fault', async () => {
    const right = await look(world.url);
    expectAnswers(right);
    expect([of(right, 'same_key').status, of(right, 'migrations').status]).toEqual(['ok', 'fault']);
    expect(of(right, 'users_active')).toMatchObject({
      status: 'unknown',
      why: expect.stringMatching(/migrate/),
    });
    const wrong = await look(world.url, {}, FOREIGN_KEY);
    expect(of(wrong, 'same_key').findings[0]!.what).toMatch(/signed with another key/);
  });

  test('a role without any right: each right that is missing, by name', async () => {
    const before = await look(asRole(world.url));
    expectAnswers(before);
    expect(of(before, 'grants').status).toBe('fault');
    expect(of(before, 'grants').findings[0]!.what).toMatch(
      /lacks: SELECT on token_blacklist_outstandingtoken.*INSERT on token_blacklist_blacklistedtoken.*USAGE on sequence token_blacklist_/,
    );
    expect(of(before, 'same_key')).toMatchObject({
      status: 'unknown',
      why: expect.stringMatching(/lacks a right/),
    });

    await applyMigrations(world.url, { createTables: false });
    const after = await look(asRole(world.url));
    expectAnswers(after);
    expect(of(after, 'grants').findings[0]!.what).toMatch(/USAGE on schema carelink/);
    const env = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };
    const command = await run(['doctor', '--database-url', asRole(world.url)], env);
    expect([command.code, command.stderr]).toEqual([1, '']);
  });

  test('a role that may not look into the schema of the tables is not told that they are missing', async () => {
    const url = await fresh();
    await createSimplejwtTables(url);
    await query(url, 'REVOKE ALL ON SCHEMA public FROM PUBLIC');
    const diagnoses = await look(asRole(url));
    expectAnswers(diagnoses);
    const [finding] = of(diagnoses, 'token_tables').findings;
    expect(finding!.what).toMatch(/may not look into the schema public/);
    expect(finding!.mend).toMatch(/GRANT USAGE ON SCHEMA public.*Do not use --create-tables/);
  });

  test('row-level security that hides the tokens, and a view as user table', async () => {
    await query(
      world.url,
      `GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO ${role};
       GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${role};
       GRANT USAGE ON SCHEMA carelink TO ${role};
       GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA carelink TO ${role};
       CREATE VIEW staff AS SELECT id, is_active FROM auth_user;
       GRANT SELECT ON staff TO ${role}`,
    );
    const seen = await look(asRole(world.url), { 'user-table': 'staff' });
    expectAnswers(seen);
    expect(
      ['grants', 'user_table', 'users_active', 'same_key'].map((check) => of(seen, check).status),
    ).toEqual(Array(4).fill('ok'));
    await query(world.url, 'ALTER TABLE token_blacklist_outstandingtoken ENABLE ROW LEVEL SECURITY');
    const hidden = await look(asRole(world.url));
    expectAnswers(hidden);
    expect(of(hidden, 'row_security').status).toBe('fault');
    expect(of(hidden, 'same_key').why).toMatch(/row-level security hides/);
    await query(world.url, 'ALTER TABLE token_blacklist_outstandingtoken DISABLE ROW LEVEL SECURITY');
  });

  test('what the table holds are no tokens', async () => {
    const url = await fresh();
    await createSimplejwtTables(url);
    await applyMigrations(url, { createTables: false });
    await query(
      url,
      `INSERT INTO token_blacklist_outstandingtoken (token, jti, expires_at)
       SELECT t, t, now() + interval '1 day' FROM unnest(ARRAY['', 'x', 'a.b.c', 'W10.W10.W10', 'e30.e30.e30']) AS t`,
    );
    const diagnoses = await look(url);
    expectAnswers(diagnoses);
    expect(of(diagnoses, 'same_key').status).toBe('fault');
  });

  test('an empty database; one in LATIN1; tables of other columns', async () => {
    const empty = await look(await fresh());
    expectAnswers(empty);
    expect(of(empty, 'token_tables').findings[0]!.what).toMatch(/not Django's database/);

    const url = await fresh('LATIN1');
    await createSimplejwtTables(url);
    await fillTables(url);
    await applyMigrations(url, { createTables: false });
    const latin = await look(url);
    expectAnswers(latin);
    expect(['same_key', 'refreshable', 'migrations'].map((check) => of(latin, check).status)).toEqual(
      Array(3).fill('ok'),
    );

    await query(
      url,
      'ALTER TABLE token_blacklist_outstandingtoken DROP COLUMN user_id, DROP COLUMN expires_at',
    );
    const other = await look(url);
    expectAnswers(other);
    expect(of(other, 'columns').findings[0]!.what).toMatch(/expires_at of .*user_id of/);
  });

  test('tables in another schema are found, and nobody is told to make a second set', async () => {
    const url = await fresh();
    await createSimplejwtTables(url);
    await query(
      url,
      `CREATE SCHEMA clinic; ALTER TABLE token_blacklist_outstandingtoken SET SCHEMA clinic;
       ALTER TABLE token_blacklist_blacklistedtoken SET SCHEMA clinic`,
    );
    const diagnoses = await look(url);
    expectAnswers(diagnoses);
    const [finding] = of(diagnoses, 'token_tables').findings;
    expect(finding!.what).toMatch(/in the schema clinic/);
    expect(finding!.mend).toMatch(/search_path%3Dclinic.*Do not use --create-tables/);
  });
});

describe.skipIf(services().postgresBin === undefined)('doctor of a database that refuses', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.stop());

  test('a password, a role or a name that is wrong is told as that, and the password is not shown', async () => {
    const [row] = await query<{ hba_file: string }>(cluster.url, 'SHOW hba_file');
    await query(cluster.url, 'CREATE DATABASE shut');
    await query(cluster.url, 'CREATE DATABASE resting ALLOW_CONNECTIONS false');
    await query(
      cluster.url,
      `REVOKE CONNECT ON DATABASE shut FROM PUBLIC; CREATE ROLE stranger LOGIN;
       CREATE ROLE locked LOGIN PASSWORD 'right'`,
    );
    writeFileSync(
      row!.hba_file,
      `host all locked 127.0.0.1/32 scram-sha-256\n${readFileSync(row!.hba_file, 'utf8')}`,
    );
    await query(cluster.url, 'SELECT pg_reload_conf()');
    await sleep(200);
    const at = (user: string, database: string) => `postgres://${user}@127.0.0.1:${cluster.port}/${database}`;
    for (const [url, mend] of [
      [at('locked:wrong-pw', 'postgres'), /password/],
      [at('nobody_knows', 'postgres'), /role/],
      [at('postgres', 'no_such'), /database's name/],
      [at('stranger', 'shut'), /GRANT CONNECT/],
      [at('postgres', 'resting'), /ALLOW_CONNECTIONS true/],
    ] as const) {
      const diagnoses = await look(url);
      expectAnswers(diagnoses);
      expect(of(diagnoses, 'database').findings[0]!.mend).toMatch(mend);
      expect(JSON.stringify(diagnoses)).not.toContain('wrong-pw');
    }
  });

  test('a standby takes no writes; all that can be read of it is', async () => {
    await createSimplejwtTables(cluster.url);
    await fillTables(cluster.url);
    await applyMigrations(cluster.url, { createTables: false });
    const [row] = await query<{ data_directory: string }>(cluster.url, 'SHOW data_directory');
    await query(cluster.url, 'CHECKPOINT');
    await cluster.kill9();
    writeFileSync(join(row!.data_directory, 'standby.signal'), '');
    await cluster.start();
    const diagnoses = await look(cluster.url);
    expectAnswers(diagnoses);
    expect(of(diagnoses, 'primary').status).toBe('fault');
    expect(['same_key', 'users_active'].map((check) => of(diagnoses, check).status)).toEqual(['ok', 'ok']);
    expect(of(diagnoses, 'migrations').why).toMatch(/standby/);
  });
});

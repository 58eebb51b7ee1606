import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Cluster,
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  query,
  startCluster,
} from '../support/postgres.js';
import { isAlive } from '../support/processes.js';
import { startRedis } from '../support/redis.js';
import { services } from '../support/services.js';
import {
  decodeToken,
  insertOutstanding,
  issueTokens,
  mintRefresh,
  TEST_SIGNING_KEY,
} from '../support/tokens.js';

describe('minted tokens', () => {
  it('have header and claims in the order in which PyJWT writes them', () => {
    const [header = '', payload = ''] = mintRefresh({
      jti: 'a'.repeat(32),
      iatSeconds: 1000,
      userId: 7,
    }).token.split('.');
    expect(Buffer.from(header, 'base64url').toString()).toBe('{"alg":"HS256","typ":"JWT"}');
    expect(Buffer.from(payload, 'base64url').toString()).toBe(
      `{"token_type":"refresh","exp":44200,"iat":1000,"jti":"${'a'.repeat(32)}","user_id":7}`,
    );
  });

  it('can be read back, carry extra claims and leave claims out', () => {
    const { token } = mintRefresh({ userId: 'u', claims: { role: 'nurse', jti: undefined } });
    expect(decodeToken(token).claims).toMatchObject({ user_id: 'u', role: 'nurse' });
    expect(decodeToken(token).claims).not.toHaveProperty('jti');
    expect(() => decodeToken('a.b')).toThrow('not a compact JWS');
  });

  it.skipIf(!services().django)('are verified by simplejwt', () => {
    const script = `
import sys, django
from django.conf import settings
apps = ["django.contrib.auth", "django.contrib.contenttypes"]
settings.configure(SECRET_KEY=sys.argv[1], USE_TZ=True, INSTALLED_APPS=apps)
django.setup()
from rest_framework_simplejwt.tokens import RefreshToken
print(RefreshToken(sys.argv[2])["user_id"])`;
    const { token } = mintRefresh({ userId: 7 });
    expect(execFileSync('/usr/bin/python3', ['-c', script, TEST_SIGNING_KEY, token]).toString().trim()).toBe(
      '7',
    );
  });
});

describe.skipIf(services().postgres === undefined)('fresh databases', () => {
  it('are empty, do not share anything, and are gone after drop() though somebody is connected', async () => {
    const [one, two] = await Promise.all([freshDatabase(), freshDatabase()]);
    await createSimplejwtTables(one.url);
    const tables = `SELECT 1 FROM pg_tables WHERE schemaname = 'public'`;
    expect(await query(one.url, tables)).toHaveLength(3);
    expect(await query(two.url, tables)).toHaveLength(0);
    const sleeper = query(two.url, 'SELECT pg_sleep(600)').catch((error: unknown) => error);
    await Promise.all([one.drop(), two.drop()]);
    expect(await sleeper).toBeInstanceOf(Error);
    await expect(query(one.url, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
  });

  it.each([
    { userIdType: 'integer', identity: false, users: true },
    { userIdType: 'bigint', identity: true, users: true },
    { userIdType: 'uuid', identity: true, users: true },
    { userIdType: 'uuid', identity: false, users: false },
  ] as const)('take tokens of users with keys of type $userIdType', async (options) => {
    const database = await freshDatabase();
    try {
      await createSimplejwtTables(database.url, options);
      const users = options.users
        ? await createUsers(database.url, 3)
        : ['3c5bc44c-3b44-4d3c-8f0e-0b9a3cfd6a1d', '5a4e3d90-7d0f-4b55-9f26-2f9b6b6f5a57'];
      const tokens = await issueTokens(database.url, users);
      const rows = await query<{ user_id: unknown; jti: string; token: string; lived: number }>(
        database.url,
        `SELECT user_id, jti, token, extract(epoch FROM expires_at - created_at)::float AS lived
           FROM token_blacklist_outstandingtoken ORDER BY id`,
      );
      expect(rows.map((row) => row.token)).toEqual(tokens.map((token) => token.token));
      expect(rows.map((row) => row.jti)).toEqual(tokens.map((token) => token.jti));
      expect(rows.map((row) => String(row.user_id))).toEqual(users.map(String));
      expect(new Set(rows.map((row) => row.lived))).toEqual(new Set([12 * 3600]));
    } finally {
      await database.drop();
    }
  });

  it('have the foreign keys of Django, checked at commit', async () => {
    const database = await freshDatabase();
    try {
      await createSimplejwtTables(database.url);
      await expect(issueTokens(database.url, [1])).rejects.toMatchObject({
        code: '23503',
        constraint: 'token_blacklist_outs_user_id_83bc629a_fk_auth_user',
      });
      expect(
        await query(database.url, `SELECT 1 FROM pg_constraint WHERE contype = 'f' AND condeferred`),
      ).toHaveLength(2);
    } finally {
      await database.drop();
    }
  });

  it('take 30,000 tokens in bulk, in several statements, ids in the order of the tokens', async () => {
    const database = await freshDatabase();
    try {
      await createSimplejwtTables(database.url);
      const users = await createUsers(database.url, 100);
      const tokens = Array.from({ length: 30_000 }, (_, n) =>
        mintRefresh({ userId: users[n % users.length]! }),
      );
      const ids = await insertOutstanding(database.url, tokens);
      expect(new Set(ids).size).toBe(30_000);
      const sample = [0, 9_999, 10_000, 29_999];
      const found = await query<{ jti: string }>(
        database.url,
        'SELECT jti FROM token_blacklist_outstandingtoken WHERE id = ANY($1) ORDER BY id',
        [sample.map((n) => ids[n])],
      );
      expect(found.map((row) => row.jti)).toEqual(sample.map((n) => tokens[n]!.jti));
    } finally {
      await database.drop();
    }
  });
});

describe.skipIf(services().postgresBin === undefined)('a cluster of our own', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
  });
  afterAll(() => cluster.stop());

  it('takes settings', async () => {
    await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
    expect(await query(cluster.url, 'SELECT 1 FROM pg_stat_statements LIMIT 1')).toHaveLength(1);
  });

  it('is killed in the middle of work and comes back on its port with all that was committed, three times', async () => {
    await query(cluster.url, 'CREATE TABLE kept (n int)');
    for (let n = 1; n <= 3; n++) {
      const pid = cluster.pid;
      await query(cluster.url, 'INSERT INTO kept VALUES ($1)', [n]);
      const busy = query(cluster.url, 'SELECT pg_sleep(600)').catch((error: unknown) => error);
      await query(cluster.url, 'SELECT 1');
      await cluster.kill9();
      expect(await busy).toBeInstanceOf(Error);
      await expect(query(cluster.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await cluster.start();
      expect(cluster.pid).not.toBe(pid);
      expect(await query(cluster.url, 'SELECT n FROM kept')).toHaveLength(n);
    }
  });
});

describe('processes of a test', () => {
  it.skipIf(services().redis === undefined)('are behind one listener, however many there are', async () => {
    const before = process.listenerCount('exit');
    const started = await Promise.all([1, 2, 3].map(() => startRedis()));
    try {
      expect(process.listenerCount('exit')).toBe(before);
    } finally {
      await Promise.all(started.map((redis) => redis.stop()));
    }
  });

  it.each([
    { end: 'SIGTERM, as vitest ends it', script: 'process.kill(process.pid, "SIGTERM");' },
    { end: 'itself', script: 'process.exit();' },
  ])('are gone when it is ended by $end', async ({ script }) => {
    const source = readFileSync(new URL('../support/end-with-us.ts', import.meta.url), 'utf8');
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    const started = `import { spawn } from 'node:child_process'; import { writeSync } from 'node:fs';
const child = endWithUs(spawn('sleep', ['600'], { stdio: 'ignore' }));
writeSync(1, String(child.pid));
${script}`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', outputText + started]);
    const pid = Number(stdout.toString());
    expect(pid).toBeGreaterThan(1);
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  });
});

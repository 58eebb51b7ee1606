/** `--revoke-claim-hash`, against PostgreSQL's own hashes and Node's, with and without claims in Redis. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../cli/run.js';
import { pairOf, refresh, slide } from '../interop/api.js';
import { heard, MODES, startMigrated, type Instances } from '../interop/pair.js';
import { nowSeconds } from '../interop/matrix/world.js';
import { createSimplejwtTables, freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

const CHANGED = { status: 401, body: { detail: "The user's password has been changed." } };
/** Bytes of UTF-8, whatever the letters are. */
const PASSWORD = 'pbkdf2_sha256$870000$sält$ключ';

const hashOf = (hash: string, text: string) => createHash(hash).update(text).digest('hex').toUpperCase();

async function userTable(url: string): Promise<void> {
  await createSimplejwtTables(url);
  await query(url, 'ALTER TABLE auth_user ADD COLUMN password text');
}

/** MD5, simplejwt's own, is compared in test/interop/password.slow.test.ts. */
const SETTINGS = MODES.flatMap((mode) =>
  (mode.async ? ['sha256'] : ['sha256', 'sha512']).map((hash) => ({ ...mode, hash })),
);

describe.skipIf(services().postgres === undefined).each(SETTINGS)(
  '$hash of a password, with --user-check exists, $mode',
  ({ hash, ...mode }) => {
    let database: FreshDatabase;
    let ours: Instances;
    beforeAll(async () => {
      database = await freshDatabase();
      await userTable(database.url);
      const exists = ['--user-check', 'exists'];
      const args = [...exists, '--revoke-claim', 'mark', '--revoke-claim-hash', hash];
      ours = await startMigrated(database.url, { ...mode, args, migrateArgs: exists });
    });
    afterAll(async () => {
      await ours.close();
      await database.drop();
    });

    const user = async (active = true) => {
      const insert = 'INSERT INTO auth_user (is_active, password) VALUES ($1, $2) RETURNING id';
      return (await query<{ id: number }>(database.url, insert, [active, PASSWORD]))[0]!.id;
    };
    const login = async (userId: number, mark: string, claims = {}) => {
      const token = mintRefresh({ userId, claims: { mark, ...claims } });
      await insertOutstanding(database.url, [token]);
      return token.token;
    };
    const good = hashOf(hash, PASSWORD);

    it('is the hash of the UTF-8 bytes, in capitals, and no other', async () => {
      const id = await user();
      expect((await refresh(ours.url, await login(id, good))).status).toBe(200);
      const others = ['md5', 'sha256', 'sha512'].filter((other) => other !== hash);
      for (const mark of [good.toLowerCase(), ...others.map((other) => hashOf(other, PASSWORD))]) {
        expect(await refresh(ours.url, await login(id, mark))).toMatchObject(CHANGED);
      }
    });

    it('ends what Redis knows as well; who is inactive may refresh, who is gone may not', async () => {
      const [id, inactive, gone] = [await user(), await user(false), await user()];
      const first = await refresh(ours.url, await login(id, good));
      // Its predecessor is one that Redis knew.
      const { refresh: known } = pairOf(await refresh(ours.url, pairOf(first).refresh));
      expect((await ours.claimedInRedis()) > 0).toBe(mode.async);
      expect((await refresh(ours.url, await login(inactive, good))).status).toBe(200);
      const { refresh: orphan } = pairOf(await refresh(ours.url, await login(gone, good)));
      await query(database.url, 'UPDATE auth_user SET password = $1 WHERE id = $2', ['another', id]);
      await query(
        database.url,
        'UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE user_id = $1',
        [gone],
      );
      await query(database.url, 'DELETE FROM auth_user WHERE id = $1', [gone]);
      await heard(mode);
      for (const url of ours.urls) expect(await refresh(url, known)).toMatchObject(CHANGED);
      expect((await refresh(ours.url, orphan)).body).toMatchObject({
        detail: 'No active account found for the given token.',
      });
      expect((await refresh(ours.url, await login(id, hashOf(hash, 'another')))).status).toBe(200);
    });

    it('holds for sliding tokens', async () => {
      const id = await user();
      const sliding = (mark: string) =>
        mintRefresh({ userId: id, tokenType: 'sliding', claims: { mark, refresh_exp: nowSeconds() + 600 } });
      expect((await slide(ours.url, sliding(good).token)).status).toBe(200);
      expect(await slide(ours.url, sliding('X').token)).toMatchObject(CHANGED);
    });
  },
);

/**
 * No PostgreSQL here is bound to FIPS, and none can be made so without OpenSSL's certified module. What such a one says
 * of md5 is said by a function that the search path finds first: it is the error, and not OpenSSL, that is imitated.
 */
describe.skipIf(services().postgres === undefined)('where md5 fails as with FIPS', () => {
  it('does not start with md5, says which option helps, and starts with sha256', async () => {
    const database = await freshDatabase();
    try {
      await userTable(database.url);
      const env = { DATABASE_URL: database.url, CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };
      expect((await run(['migrate'], env)).code).toBe(0);
      await query(
        database.url,
        `CREATE SCHEMA fips;
         CREATE FUNCTION fips.md5(bytea) RETURNS text LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION 'could not compute MD5 hash: unsupported' USING ERRCODE = 'XX000'; END $$;
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = fips, pg_catalog, public', current_database()); END $$`,
      );
      const serve = ['serve', '--port', '0', '--admin-port', '0', '--revoke-claim', 'hash_password'];
      const refused = await run(serve, env);
      expect(refused.code).toBe(4);
      expect(refused.stderr).toMatch(/can't compute md5 \(XX000\).*FIPS.*--revoke-claim-hash/s);
      const doctor = await run(['doctor', '--revoke-claim', 'hash_password', '--json'], env);
      expect(doctor.stdout).toMatch(/FIPS/);
      const args = ['--revoke-claim', 'mark', '--revoke-claim-hash', 'sha256'];
      await (await startServer({ databaseUrl: database.url, args })).stop();
      expect((await run(['doctor', ...args, '--json'], env)).stdout).not.toMatch(/FIPS/);
    } finally {
      await database.drop();
    }
  });
});

import { randomBytes } from 'node:crypto';
import { expect, describe, it } from 'vitest';
import { examine } from '../../src/compose/doctor.js';
import { doctorSettings } from '../../src/config/doctor-settings.js';
import { chainKeyFrom } from '../../src/jwt/chain-key.js';
import { migratedDatabase } from '../support/migrated-database.js';
import { createUsers } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens, TEST_SIGNING_KEY } from '../support/tokens.js';

describe.skipIf(services().postgres === undefined)('doctor, of the chain key', () => {
  it('tells of one that does not lead to what a server has made of a token, and lets a log-out miss it', async () => {
    const database = await migratedDatabase();
    try {
      const fits = async (chainKey?: string) => {
        const env = {
          CARELINK_SIGNING_KEY: TEST_SIGNING_KEY,
          ...(chainKey !== undefined && { CARELINK_CHAIN_KEY: chainKey }),
        };
        const source = { env, cwd: '/', readFile: () => '' };
        const all = await examine(doctorSettings({ 'database-url': database.url }, source));
        const { status, findings } = all.find(({ check }) => check === 'chain_key_fits')!;
        return [status, findings[0]?.what ?? ''];
      };
      const other = randomBytes(32).toString('hex');
      // Nobody has refreshed here: any will do.
      expect(await fits(other)).toEqual(['ok', '']);
      const tokens = await issueTokens(database.url, await createUsers(database.url, 3));
      const server = await startServer({ databaseUrl: database.url });
      try {
        for (const { token } of tokens) {
          const { status } = await fetch(`${server.url}/account/token/refresh/`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ refresh: token }),
          });
          expect(status).toBe(200);
        }
      } finally {
        await server.stop();
      }
      const inUse = chainKeyFrom(TEST_SIGNING_KEY, 'HS256').toString('hex');
      expect([await fits(), await fits(inUse), await fits(`${other},${inUse}`)]).toEqual([
        ['ok', ''],
        ['ok', ''],
        ['ok', ''],
      ]);
      expect(await fits(other)).toEqual([
        'fault',
        expect.stringMatching(/^3 of 3 recent refreshes were made under another chain key/),
      ]);
    } finally {
      await database.drop();
    }
  });
});

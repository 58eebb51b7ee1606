import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { createUsers, query, type FreshDatabase } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';

const OTHER_KEY = 'the key of somebody else, which is long enough for HS256';
/** Alerts are judged every 5 s. */
const ALERT_WITHIN_MS = 20_000;

describe.skipIf(services().postgres === undefined)('a signing key that is not the one of Django', () => {
  let database: FreshDatabase;
  let tokens: string[];
  beforeAll(async () => {
    database = await migratedDatabase();
    const users = await createUsers(database.url, 12);
    tokens = await add(users.map((userId) => mintRefresh({ userId })));
  });
  afterAll(() => database.drop());

  async function add(minted: readonly ReturnType<typeof mintRefresh>[]): Promise<string[]> {
    await query(
      database.url,
      `INSERT INTO token_blacklist_outstandingtoken (token, jti, created_at, expires_at, user_id)
       SELECT token, jti, now(), to_timestamp("expSeconds"), "userId"
         FROM jsonb_to_recordset($1) AS t (token text, jti text, "expSeconds" bigint, "userId" int)`,
      [JSON.stringify(minted)],
    );
    return minted.map(({ token }) => token);
  }

  it('is told at the start, which goes on, and raises REFUSALS_UNUSUAL once clients are refused', async () => {
    const server = await startServer({
      databaseUrl: database.url,
      env: { CARELINK_SIGNING_KEY: OTHER_KEY },
    });
    try {
      expect(server.output()).toMatch(
        /signed with another key.*CARELINK_SIGNING_KEY.*"event":"samples_refused"/,
      );
      const statuses = await Promise.all(
        tokens.map(async (refresh, n) => {
          // The connection's own address: what a header says of it anybody can write.
          const from = new Agent({ localAddress: `127.0.0.${2 + (n % 4)}` });
          const { statusCode, body } = await request(`${server.url}/account/token/refresh/`, {
            dispatcher: from,
            method: 'POST',
            headers: { 'content-type': 'application/json', 'x-forwarded-for': `192.0.2.${n}` },
            body: JSON.stringify({ refresh }),
          });
          await body.dump();
          await from.close();
          return statusCode;
        }),
      );
      expect(new Set(statuses)).toEqual(new Set([401]));
      const metrics = async () => (await fetch(`${server.adminUrl}/metrics`)).text();
      expect(await metrics()).toMatch(/carelink_refused_tokens\{outcome="invalid"\} 12\n/);
      expect(await metrics()).toMatch(/carelink_refused_clients\{outcome="invalid"\} 4\n/);
      const untilMs = Date.now() + ALERT_WITHIN_MS;
      while (Date.now() < untilMs && !server.output().includes('REFUSALS_UNUSUAL')) await sleep(200);
      expect(server.output()).toMatch(
        /"level":"error".*12 of 12 refreshes.*"alert":"REFUSALS_UNUSUAL".*"event":"alert_raised"/,
      );
      for (const token of tokens) expect(server.output()).not.toContain(token.slice(-16));
    } finally {
      await server.stop();
    }
  });

  it('and so are an audience, an issuer and an algorithm that are not', async () => {
    const wrong = [
      ['--audience', 'carelink'],
      ['--issuer', 'https://django'],
      ['--algorithm', 'HS384'],
    ];
    const servers = await Promise.all(wrong.map((args) => startServer({ databaseUrl: database.url, args })));
    try {
      for (const [n, server] of servers.entries())
        expect([wrong[n], server.output()]).toEqual([
          wrong[n],
          expect.stringMatching(
            /all of them are refused.*"event":"samples_refused"|"event":"samples_refused"/,
          ),
        ]);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });

  it('of several workers, or a wrong --user-id-claim or path, is told once', async () => {
    const args = ['--workers', '2'];
    const [another, unnamed] = await Promise.all([
      startServer({ databaseUrl: database.url, args, env: { CARELINK_SIGNING_KEY: OTHER_KEY } }),
      startServer({ databaseUrl: database.url, args: ['--user-id-claim', 'uid'] }),
    ]);
    try {
      for (const event of ['samples_refused', 'user_check_on', 'chain_key_follows_signing_key'])
        expect([event, another.output().split(`"event":"${event}"`).length - 1]).toEqual([event, 1]);
      expect(unnamed.output()).toMatch(
        /no claim uid, so no user is looked at.*"event":"samples_name_nobody"/,
      );

      const misrouted = () => fetch(`${unnamed.url}/api/token/refresh/`, { method: 'POST', body: '{}' });
      expect([(await misrouted()).status, (await misrouted()).status]).toEqual([404, 404]);
      expect(unnamed.output()).toMatch(
        /come in at another path than \/account\/token\/.*"event":"path_not_served"/,
      );
    } finally {
      await Promise.all([another.stop(), unnamed.stop()]);
    }
  });

  it('is not told where some of the tokens are of this key, though another application made the newest', async () => {
    await add(Array.from({ length: 150 }, () => mintRefresh({ userId: 1, key: OTHER_KEY })));
    const server = await startServer({ databaseUrl: database.url });
    await server.stop();
    expect(server.output()).not.toContain('samples_refused');
  });
});

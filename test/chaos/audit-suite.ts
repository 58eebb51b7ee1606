/** One row of the audit for each deed, whatever is killed while it is done; none for what was rolled back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { send, json } from '../interop/http.js';
import { startFleet, type Fleet } from '../support/fleet.js';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  openClient,
  query,
  startCluster,
} from '../support/postgres.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh } from '../support/tokens.js';
import { migrate } from './migrate.js';

const CLIENTS = 16;

/** A repeat of a rotated token is no reuse for 2 s and the time that a request may take, 1 s here. */
const REUSE_AFTER_MS = 3_500;

/** Of one client at a time. */
const MOST_REUSES = 40;

/** Only a bound against waiting for ever. */
const PATIENCE_MS = 120_000;

const DEEDS = ['logout', 'logout_of_rotated', 'reuse', 'revoke_user', 'rolled_back'] as const;

export function describeAudit(kills: number): void {
  describe(`deeds under load, with servers and PostgreSQL killed ${kills} times each`, () => {
    it.skipIf(services().postgresBin === undefined)(
      'each is recorded once, with as many tokens as it ended, and what was rolled back is not',
      async () => {
        const cluster = await startCluster();
        onTestFinished(() => cluster.stop());
        const { url } = await freshDatabase(cluster.url);
        await createSimplejwtTables(url);
        await migrate(url);
        const fleet = await startFleet(2, {
          databaseUrl: url,
          args: ['--on-reuse', 'revoke-family', '--request-timeout', '1s'],
        });
        let ended = false;
        const done = new Map<string, (typeof DEEDS)[number]>();
        const tally = { unclear: 0, deeds: 0 };
        const clients = Promise.all(
          Array.from({ length: CLIENTS }, async (_, n) => {
            const reuses: Promise<void>[] = [];
            for (let turn = n; !ended; turn++) {
              const deed = DEEDS[turn % DEEDS.length]!;
              const userId = await stubborn(() => createUsers(url, 1).then(([id]) => String(id)), tally);
              const doing = doOne(url, fleet, userId, deed, tally).then(() => {
                done.set(userId, deed);
                tally.deeds++;
              });
              // A reuse waits for seconds: others are done meanwhile, or nobody would be at work at a kill.
              if (deed === 'reuse' && reuses.length < MOST_REUSES) reuses.push(doing);
              else if (deed === 'reuse') await Promise.all(reuses.splice(0).concat(doing));
              else await doing;
            }
            await Promise.all(reuses);
          }),
        );
        for (let kill = 0; kill < kills; kill++) {
          await sleep(500 + Math.random() * 1_000);
          await fleet.replace(kill % 2);
          await sleep(500 + Math.random() * 1_000);
          await cluster.kill9();
          await cluster.start();
        }
        await sleep(1_000);
        ended = true;
        await clients;
        fleet.assertAlive();
        await fleet.stop();

        const rows = await query<{ user: string; ended: number; recorded: number; rows: number; times: number; kinds: string }>(
          url,
          `SELECT u.id::text AS "user", e.ended, a.recorded, a.rows, a.times, a.kinds
             FROM auth_user u
            CROSS JOIN LATERAL (
              -- Not rotated: no successor has its time.
              SELECT count(*)::int AS ended FROM token_blacklist_outstandingtoken o
                JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
               WHERE o.user_id = u.id AND NOT EXISTS (SELECT FROM token_blacklist_outstandingtoken s
                                                       WHERE s.user_id = u.id AND s.created_at = b.blacklisted_at)) e
            CROSS JOIN LATERAL (
              SELECT coalesce(sum(tokens), 0)::int AS recorded, count(*)::int AS rows, coalesce(max(times), 0) AS times,
                     coalesce(string_agg(DISTINCT kind, ' '), '') AS kinds
                FROM carelink.audit WHERE user_key = u.id::text) a`,
        ); // prettier-ignore
        const judged = rows.filter(({ user }) => done.has(user));
        console.log(`${JSON.stringify(tally)}, ${judged.length} users judged`);
        const kindOf = { logout: 'logout', logout_of_rotated: 'logout', reuse: 'reuse', revoke_user: 'revoke_user', rolled_back: '' } as const; // prettier-ignore
        for (const row of judged) {
          const deed = done.get(row.user)!;
          const told = { deed, ...row };
          expect(told).toEqual({ ...told, recorded: row.ended });
          // Where commits may have been lost, nobody is accused, and nothing ended.
          const kinds = deed === 'reuse' && row.ended === 0 ? '' : kindOf[deed];
          expect(told).toEqual({ ...told, kinds });
          // A call of the function whose answer got lost is made again, and is another deed, which found nothing left.
          if (deed !== 'revoke_user') {
            const once = kinds === '' ? 0 : 1;
            expect(told).toEqual({ ...told, rows: once, times: once });
          }
          if (deed === 'rolled_back' || deed === 'reuse') continue;
          expect(row.ended).toBeGreaterThan(0);
        }
        const reuses = judged.filter(({ user }) => done.get(user) === 'reuse');
        expect(reuses.filter(({ kinds }) => kinds === 'reuse').length).toBeGreaterThan(0);
        for (const deed of DEEDS) expect([...done.values()]).toContain(deed);
        // Else nothing was in the way of any.
        expect(tally.unclear).toBeGreaterThan(0);
      },
    );
  });
}

type Tally = { unclear: number };

/** Logs in, refreshes some times, and ends it. Returns when that has been answered. */
async function doOne(
  url: string,
  fleet: Fleet,
  userId: string,
  deed: (typeof DEEDS)[number],
  tally: Tally,
): Promise<void> {
  // Of now: after a crash of PostgreSQL a reuse of older tokens is refused, and ends nothing (design rule 36).
  const first = mintRefresh({ userId: Number(userId) });
  await stubborn(() => insertOutstanding(url, [first]), tally);
  const post = (path: string, token: string) =>
    stubborn(async () => {
      const urls = fleet.urls();
      const at = urls[Math.floor(Math.random() * urls.length)]!;
      const reply = await send(at, json(`/account/token/${path}/`, { refresh: token }));
      if (reply.status !== 200 && reply.status !== 401) throw new Error(String(reply.status));
      return reply;
    }, tally);
  let tip = first.token;
  if (deed !== 'logout')
    for (let n = 0; n < 3; n++) {
      const reply = await post('refresh', tip);
      if (reply.status === 200) tip = (reply.body as { refresh: string }).refresh;
      // The answer that got lost was its pair: at grace 0 there is no other.
      else break;
    }
  switch (deed) {
    case 'logout':
    case 'logout_of_rotated':
      await post('blacklist', first.token);
      return;
    case 'reuse':
      await sleep(REUSE_AFTER_MS);
      await post('refresh', first.token);
      return;
    case 'revoke_user':
    case 'rolled_back':
      await stubborn(async () => {
        const client = await openClient(url);
        try {
          await client.query('BEGIN');
          await client.query('SELECT carelink.revoke_user($1, $2)', [userId, 'chaos']);
          await client.query(deed === 'revoke_user' ? 'COMMIT' : 'ROLLBACK');
        } finally {
          await client.end().catch(() => undefined);
        }
      }, tally);
  }
}

/** Again and again until it is answered: whoever was killed is back soon. */
async function stubborn<T>(work: () => Promise<T>, tally: Tally): Promise<T> {
  for (const giveUpMs = performance.now() + PATIENCE_MS; ;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > giveUpMs) throw error;
      tally.unclear++;
      await sleep(50);
    }
  }
}

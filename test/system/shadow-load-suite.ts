/** A site's own traffic, with all that races in it, through a shadow whose settings are Django's: there is no difference. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDjango, type Django } from '../support/django.js';
import { query, startCluster, type Cluster } from '../support/postgres.js';
import { services } from '../support/services.js';
import { migrate, startShadow, type Shadow } from '../support/shadow.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { mintRefresh } from '../support/tokens.js';

export interface LoadPlan {
  readonly requests: number;
  readonly users: number;
  readonly clients: number;
}

/** As `adopt` would write it for this Django. */
const RIGHT = ['--simplejwt-compat', '5.2', '--user-check', 'off'];

/** A role that may write: that it doesn't is the shadow's own doing. */
const ROLE = 'shadow_judge';

export function describeShadowLoad(plan: LoadPlan): void {
  const ready =
    services().postgres !== undefined && services().postgresBin !== undefined && services().django;
  describe.skipIf(!ready)(`${plan.requests} requests through a shadow`, () => {
    let cluster: Cluster;
    let django: Django;
    let way: TcpProxy;
    let judgeUrl: string;
    let user: string;

    beforeAll(async () => {
      cluster = await startCluster({
        settings: { shared_preload_libraries: 'pg_stat_statements', 'pg_stat_statements.max': '5000' },
      });
      await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
      django = await startDjango({ database: cluster.url, workers: 2, threads: 8 });
      await migrate(cluster.url);
      await query(
        cluster.url,
        `CREATE ROLE ${ROLE} LOGIN;
         GRANT USAGE ON SCHEMA public, carelink TO ${ROLE};
         GRANT ALL ON ALL TABLES IN SCHEMA public, carelink TO ${ROLE};
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public, carelink TO ${ROLE}`,
      );
      way = await startTcpProxy(cluster.port);
      const judge = new URL(cluster.url);
      judge.username = ROLE;
      judge.port = String(way.port);
      judgeUrl = judge.href;
      user = await django.makeUser();
    });
    afterAll(async () => {
      await django.stop();
      await way.stop();
      await cluster.stop();
    });

    const open = () => startShadow(django.url, { databaseUrl: judgeUrl, args: RIGHT });

    it('with races, repeats, log-outs, expired and forged tokens: not one false difference, and nothing is written', async () => {
      const tokens = await django.bulkMint({ users: plan.users, tokensPerUser: 3, prefix: 'load' });
      await query(cluster.url, 'SELECT pg_stat_statements_reset()');
      const shadow = await open();
      try {
        const { sent, statuses } = await load(
          shadow.url,
          plan,
          tokens.map(({ refresh }) => refresh),
        );
        const report = await shadow.settled(sent);
        const { requests } = report;
        console.log(`${sent} requests, answers ${JSON.stringify(statuses)}: ${JSON.stringify(requests)}`);
        expect(report.differences).toEqual([]);
        expect(requests.different).toBe(0);
        expect(requests.dropped).toEqual({ full: 0, late: 0, database: 0, failed: 0 });
        expect(requests.same + requests.undecided.changing + requests.undecided.clock + requests.undecided.django_failed).toBe(sent); // prettier-ignore
        // A judge that says nothing would find nothing.
        expect(requests.undecided.changing + requests.undecided.clock).toBeLessThan(sent / 50);
        expect(requests.same).toBeGreaterThan(sent * 0.95);
      } finally {
        await shadow.stop();
      }
      const statements = await query<{ query: string }>(
        cluster.url,
        `SELECT s.query FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = '${ROLE}'`,
      );
      expect(statements.length).toBeGreaterThan(3);
      expect(statements.filter(({ query: text }) => !/^\s*(--.*\n\s*)*(SELECT|WITH|BEGIN|COMMIT|SET|SHOW)\b/i.test(text))).toEqual([]); // prettier-ignore
      expect(statements.filter(({ query: text }) => /\b(INSERT|UPDATE|DELETE|FOR (NO KEY )?UPDATE|FOR SHARE|nextval|pg_advisory)\b/i.test(text))).toEqual([]); // prettier-ignore
    });

    it('no token is spent by being judged: where somebody else answers, Django takes it afterwards', async () => {
      const refuses = createServer((incoming, response) => {
        incoming.resume().on('end', () => response.writeHead(401).end('{"detail":"No."}'));
      });
      await new Promise<void>((resolve) => refuses.listen(0, '127.0.0.1', resolve));
      const { port } = refuses.address() as AddressInfo;
      const rows = () =>
        query(
          cluster.url,
          `SELECT (SELECT count(*) FROM token_blacklist_outstandingtoken) AS outstanding,
                  (SELECT count(*) FROM token_blacklist_blacklistedtoken) AS blacklisted`,
        );
      const { refresh } = await django.mint(user);
      const before = await rows();
      const shadow = await startShadow(`http://127.0.0.1:${port}`, { databaseUrl: judgeUrl, args: RIGHT });
      try {
        await ask(shadow.url, 'refresh', { refresh });
        await ask(shadow.url, 'blacklist', { refresh });
        const { requests } = await shadow.settled(2);
        // This server would have granted both.
        expect(requests.different).toBe(2);
        expect(await rows()).toEqual(before);
        expect((await ask(django.url, 'refresh', { refresh })).status).toBe(200);
      } finally {
        await shadow.stop();
        refuses.closeAllConnections();
        refuses.close();
      }
    });

    describe('its database', () => {
      const BROKEN: [string, () => unknown, () => unknown][] = [
        ['is cut off, and nobody is told', () => way.cut(), () => way.heal()],
        ['refuses connections', () => way.leadTo(1), () => way.leadTo(cluster.port)],
        [
          'has no connection left',
          async () => {
            await query(cluster.url, `ALTER ROLE ${ROLE} CONNECTION LIMIT 0`);
            await query(cluster.url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${ROLE}'`);
          },
          () => query(cluster.url, `ALTER ROLE ${ROLE} CONNECTION LIMIT -1`),
        ], // prettier-ignore
      ];

      it.each(BROKEN)(
        '%s: requests pass whole and undelayed, and are judged again when it is back',
        async (_, breakIt, mend) => {
          const shadow = await open();
          try {
            const before = await timed(shadow, user, django);
            await breakIt();
            const broken = await timed(shadow, user, django);
            expect(broken.statuses).toEqual(before.statuses);
            // A delay by the judge would be its time-out, of seconds.
            expect(broken.slowestMs).toBeLessThan(Math.max(500, 5 * before.slowestMs));
            expect((await fetch(`${shadow.adminUrl}/readyz`)).status).toBe(200);
            const told = await shadow.settled(2 * before.statuses.length);
            expect(told.requests.dropped.database + told.requests.dropped.late + told.requests.undecided.changing).toBeGreaterThan(0); // prettier-ignore
            expect(told.differences).toEqual([]);
            await mend();
            await judgesAgain(shadow, user, django);
            expect((await shadow.report()).differences).toEqual([]);
          } finally {
            await mend();
            await shadow.stop();
          }
        },
      );
    });
  });
}

const PATHS = { refresh: 'refresh', verify: 'token', blacklist: 'refresh' } as const;

async function ask(
  url: string,
  path: keyof typeof PATHS,
  body: object,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await request(`${url}/account/token/${path}/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    dispatcher: agent,
  });
  return { status: answer.statusCode, body: (await answer.body.json()) as Record<string, unknown> };
}

const agent = new Agent({ connections: 64, pipelining: 1 });

/** Refreshes one after the other, and how long the slowest took. */
async function timed(shadow: Shadow, user: string, django: Django) {
  const statuses: number[] = [];
  let slowestMs = 0;
  let { refresh } = await django.mint(user);
  for (let n = 0; n < 30; n++) {
    const startedMs = performance.now();
    const { status, body } = await ask(shadow.url, 'refresh', { refresh });
    slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    statuses.push(status);
    refresh = body['refresh'] as string;
  }
  return { statuses, slowestMs };
}

const BACK_WITHIN_MS = 30_000;

async function judgesAgain(shadow: Shadow, user: string, django: Django): Promise<void> {
  const end = Date.now() + BACK_WITHIN_MS;
  const { same } = (await shadow.report()).requests;
  for (;;) {
    const { refresh } = await django.mint(user);
    await ask(shadow.url, 'refresh', { refresh });
    if ((await shadow.report()).requests.same > same) return;
    if (Date.now() > end) throw new Error('it does not judge again');
    await sleep(100);
  }
}

/** A walk of so many clients, each with sessions of its own, and a few that they share. */
async function load(url: string, { requests, clients }: LoadPlan, minted: readonly string[]) {
  const statuses: Record<string, number> = {};
  let sent = 0;
  const tell = async (path: keyof typeof PATHS, token: string): Promise<string | undefined> => {
    sent += 1;
    const { status, body } = await ask(url, path, { [PATHS[path]]: token });
    const key = `${path} ${status}`;
    statuses[key] = (statuses[key] ?? 0) + 1;
    return typeof body['refresh'] === 'string' ? body['refresh'] : undefined;
  };
  const expired = mintRefresh({ userId: 1, iatSeconds: Math.floor(Date.now() / 1000) - 90_000 }).token;
  const forged = mintRefresh({ userId: 1, key: randomBytes(32).toString('hex') }).token;
  const shared: string[] = [];
  const client = async (own: string[]): Promise<void> => {
    let token = own.pop();
    let old = token;
    while (sent < requests) {
      token ??= own.pop() ?? shared.at(-1);
      if (token === undefined) return;
      const dice = Math.random();
      if (dice < 0.5) {
        const next: string | undefined = await tell('refresh', token);
        [old, token] = [token, next];
        if (next !== undefined && Math.random() < 0.1) shared.push(next);
      } else if (dice < 0.62) {
        // A double click, or a proxy that tries again.
        const [one, two] = await Promise.all([tell('refresh', token), tell('refresh', token)]);
        [old, token] = [token, one ?? two];
      } else if (dice < 0.7) {
        // Whoever logs out while another tab refreshes.
        const [next] = await Promise.all([tell('refresh', token), tell('blacklist', token)]);
        [old, token] = [token, next];
      } else if (dice < 0.78) await tell('refresh', old ?? token);
      else if (dice < 0.82) await tell('refresh', shared[Math.floor(Math.random() * shared.length)] ?? token);
      else if (dice < 0.86) {
        await tell('blacklist', token);
        // Each walk of a session ends, and the next one begins.
        [old, token] = [token, own.pop()];
      } else if (dice < 0.9) await tell('verify', Math.random() < 0.5 ? token : (old ?? token));
      else if (dice < 0.94) await tell('refresh', expired);
      else if (dice < 0.97) await tell('refresh', forged);
      else await tell('blacklist', old ?? forged);
    }
  };
  const share = Math.ceil(minted.length / clients);
  await Promise.all(
    Array.from({ length: clients }, (_, n) => client(minted.slice(n * share, (n + 1) * share))),
  );
  return { sent, statuses };
}

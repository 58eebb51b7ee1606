import { describe, expect, it, onTestFinished } from 'vitest';
import { overload, spentOf } from '../../benchmarks/support/overload.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, createUsers, freshDatabase, query } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';

const PATH = '/account/token/refresh/';

/** What each spent token takes: two lanes of claims then bear 200 a second, whatever machine this is. */
const ROW_SECONDS = 0.01;
const BORNE = 2 / ROW_SECONDS;

describe.skipIf(services().postgres === undefined)('at three times what a slow database bears', () => {
  it("a server answers as much as it can, in time, spends no token that it doesn't answer, and is soon itself", async () => {
    const database = await freshDatabase();
    onTestFinished(() => database.drop());
    await createSimplejwtTables(database.url);
    await applyMigrations(database.url, { createTables: false });
    const users = await createUsers(database.url, 50);
    const tokens = await issueTokens(
      database.url,
      Array.from({ length: 16 * BORNE }, (_, n) => users[n % users.length]!),
    );
    await query(
      database.url,
      `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_sleep(${ROW_SECONDS}); RETURN NEW; END $$;
       CREATE TRIGGER slow BEFORE INSERT ON token_blacklist_blacklistedtoken
         FOR EACH ROW EXECUTE FUNCTION slow()`,
    );
    const server = await startServer({
      databaseUrl: database.url,
      // Short, so that what waits for its deadline is seen to.
      args: ['--request-timeout', '2s', '--blacklist', 'sync'],
    });
    onTestFinished(() => server.stop());
    const result = await overload({
      url: server.url + PATH,
      tokens: tokens.map(({ token }) => token),
      phases: [
        { seconds: 1, rate: BORNE / 4 },
        { seconds: 4, rate: 3 * BORNE },
        { seconds: 2, rate: BORNE / 4 },
      ],
      retries: 0,
      patienceMs: 10_000,
      connections: 1_000,
      seed: 1,
    });
    const [, during, after] = result.phases;
    const spent = await spentOf(database.url, result.unanswered);
    const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
    console.log(JSON.stringify({ during, after, spent }));

    expect(during!.okPerSecond).toBeGreaterThan(0.6 * BORNE);
    expect(during!.p99Ms).toBeLessThan(1_500);
    expect(during!.refused + during!.okPerSecond).toBeGreaterThan(2 * BORNE);
    expect(spent.refused + spent.noAnswer).toBeLessThanOrEqual(0.005 * during!.ok);
    // How many milliseconds that takes is for `npm run benchmark overload`: this machine may be slow.
    expect(after!.refused).toBeLessThanOrEqual(0.2 * after!.fresh);
    expect(after!.noAnswer + after!.other).toBe(0);
    const refused = /^carelink_admission_refused_total\{why="door"\} (\d+)/m.exec(metrics)?.[1];
    expect(Number(refused)).toBeGreaterThan(BORNE);
    expect(metrics).toMatch(/^carelink_admission_queue_seconds_count [1-9]/m);
  });
});

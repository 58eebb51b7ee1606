import { expect, it, onTestFinished } from 'vitest';
import { readFacts } from '../../src/cleanup/catalog.js';
import { cleanUp, openCleanupSession, type CleanupEvent } from '../../src/cleanup/index.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { Surroundings } from '../../src/cleanup/surroundings.js';
import { fill, PLAIN } from '../integration/cleanup-support/world.js';
import { createSimplejwtTables, query, startCluster } from '../support/postgres.js';
import { services } from '../support/services.js';

it.skipIf(services().postgresBin === undefined)(
  'a standby that is delayed on purpose stops a cleanup by its name, and is passed over where it is named',
  async () => {
    const primary = await startCluster({ settings: { autovacuum: 'off' } });
    onTestFinished(() => primary.stop());
    await createSimplejwtTables(primary.url, { users: false });
    await applyMigrations(primary.url, { createTables: false });
    const standby = await startCluster({
      copyOf: { url: primary.url, standby: true },
      settings: { recovery_min_apply_delay: '1h' },
    });
    onTestFinished(() => standby.stop());
    const sql = <Row extends object>(text: string, values?: unknown[]) =>
      query<Row>(primary.url, text, values);
    await fill(sql, { expired: 2_000, live: 10 });
    // Commits are what a delay holds up; 200 MiB of WAL behind one of them.
    await sql(
      'CREATE TABLE much AS SELECT repeat(md5(n::text), 60) AS text FROM generate_series(1, 100000) AS n',
    );
    const session = await openCleanupSession(primary.url);
    onTestFinished(() => session.close());
    const facts = await readFacts(session.query);
    const behind = async () =>
      (await new Surroundings(session.query, facts, () => performance.now()).read()).standby;
    await expect
      .poll(async () => (await behind())?.lagBytes, { timeout: 60_000 })
      .toBeGreaterThan(128 * 2 ** 20);
    const { name } = (await behind())!;

    const events: CleanupEvent[] = [];
    const stopped = new AbortController();
    const onEvent = (event: CleanupEvent) => {
      events.push(event);
      if (event.event === 'pressure') stopped.abort();
    };
    await cleanUp(session, { ...PLAIN, onEvent, signal: stopped.signal });
    expect(events).toContainEqual({
      event: 'pressure',
      slowdown: Infinity,
      reasons: [expect.stringMatching(`the standby ${name} is \\d+ MiB behind .*--ignore-standby ${name}`)],
    });
    const ended = await cleanUp(session, { ...PLAIN, ignoredStandbys: [name] });
    expect(ended).toMatchObject({ ended: 'done', givenWay: [] });
  },
);

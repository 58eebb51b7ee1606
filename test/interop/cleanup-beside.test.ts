/** A cleanup beside Django that blacklists the very rows that go, in transactions that stay open for a while. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { openCleanupSession, type CleanupEvent, type CleanupSession } from '../../src/cleanup/index.js';
import {
  census,
  cleanupWorld,
  connectTo,
  fill,
  PLAIN,
  type CleanupWorld,
} from '../integration/cleanup-support/world.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('cleanup beside blacklisting', () => {
  const given = cleanupWorld();
  let world: CleanupWorld;
  beforeEach(() => void (world = given()));

  const connect = () => connectTo(world);
  /** As Django does it: the foreign key is looked at when it commits. */
  const insert = (client: pg.Client, id: number) =>
    client.query(
      'INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) VALUES (now(), $1)',
      [id],
    );

  it('gives way to a transaction that has blacklisted a row and is open', async () => {
    await fill(world.sql, { expired: 100, live: 10 });
    const django = await connect();
    await django.query('BEGIN');
    // 9 has no blacklist row (see fill).
    await insert(django, 9);
    const summary = await world.run({ batchSize: 50 });
    expect(summary).toMatchObject({ ended: 'done', deleted: 99, steppedOver: 1 });
    await django.query('COMMIT');
    await django.end();
    expect(await census(world.sql)).toMatchObject({ expired: 1, orphans: 0 });
    expect(await world.run()).toMatchObject({ deleted: 1, blacklistDeleted: 1 });
  });

  it('takes its batch back where somebody comes to blacklist one of its rows before it commits', async () => {
    await fill(world.sql, { expired: 100, live: 10 });
    const django = await connect();
    const [{ pid }] = (await django.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows as [
      { pid: number },
    ];
    let blacklisted: Promise<unknown> | undefined;
    const events: CleanupEvent[] = [];
    const session = await openCleanupSession(world.url);
    // Between the deletion and the look at the neighbours.
    const slowed: CleanupSession = {
      ...session,
      transaction: (begin, work) =>
        session.transaction(begin, (query) =>
          work(async (text, values) => {
            if (text.includes('SAVEPOINT look') && blacklisted === undefined) {
              blacklisted = insert(django, 9);
              while (!(await waitsForALock(world, pid))) await sleep(5);
            }
            return query(text, values);
          }),
        ),
    };
    const { cleanUp } = await import('../../src/cleanup/index.js');
    const summary = await cleanUp(slowed, {
      ...PLAIN,
      batchSize: 50,
      onEvent: (event) => events.push(event),
    });
    // Django's insert went through, its commit too.
    await blacklisted;
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'retry', reason: 'another session waits for these rows' }),
    );
    expect(summary.ended).toBe('done');
    await django.end();
    await session.close();
    expect((await census(world.sql)).orphans).toBe(0);
  });
});

async function waitsForALock({ sql }: CleanupWorld, pid: number): Promise<boolean> {
  const [row] = await sql<{ waits: boolean }>(
    "SELECT wait_event_type IS NOT DISTINCT FROM 'Lock' AS waits FROM pg_stat_activity WHERE pid = $1",
    [pid],
  );
  return row!.waits;
}

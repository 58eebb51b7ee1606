import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cleanUp, openCleanupSession, type CleanupEvent } from '../../src/cleanup/index.js';
import { endWithUs } from '../support/end-with-us.js';
import { grantedRole, type GrantedRole } from '../support/granted-role.js';
import { services } from '../support/services.js';
import { cleanupWorld, fill, PLAIN, type CleanupWorld } from './cleanup-support/world.js';

const { postgres, postgresBin } = services();

describe.skipIf(postgres === undefined || postgresBin === undefined)('a cleanup beside a backup', () => {
  const given = cleanupWorld();
  const backupRole = `backup_${Math.random().toString(36).slice(2)}`;
  let world: CleanupWorld;
  let role: GrantedRole;
  beforeEach(async () => {
    world = given();
    role = await grantedRole(world.url, ['cleanup']);
    await world.sql(`CREATE ROLE ${backupRole} LOGIN BYPASSRLS IN ROLE pg_read_all_data`);
  });
  afterEach(async () => {
    await world.sql(`DROP ROLE ${backupRole}`);
    await role.drop();
  });

  it('of another role, whose sessions it may not look into, does not do five batches in vain for one', async () => {
    await fill(world.sql, { expired: 30_000, live: 10 });
    const url = new URL(world.url);
    url.username = backupRole;
    const dump = endWithUs(
      spawn(join(postgresBin!, 'pg_dump'), ['-d', url.href, '-t', 'token_blacklist_*'], {
        stdio: ['ignore', 'ignore', 'inherit'],
      }),
    );
    const hasBegun = async () => {
      const [row] = await world.sql<{ begun: boolean }>(
        `SELECT count(*) > 0 AS begun FROM pg_locks JOIN pg_stat_activity USING (pid)
          WHERE usename = $1 AND relation = 'token_blacklist_outstandingtoken'::regclass AND granted`,
        [backupRole],
      );
      return row!.begun;
    };
    await expect.poll(hasBegun, { timeout: 60_000, interval: 10 }).toBe(true);
    // Stopped in its midst, it keeps its snapshot and its locks as one of a large database does.
    dump.kill('SIGSTOP');
    expect(await hasBegun()).toBe(true);

    const session = await openCleanupSession(role.url);
    const events: CleanupEvent[] = [];
    const summary = await cleanUp(session, {
      ...PLAIN,
      batchSize: 500,
      onEvent: (event) => events.push(event),
    }).finally(() => session.close());
    expect(summary).toMatchObject({ ended: 'done', deleted: 30_000 });
    expect(summary.batches).toBeGreaterThanOrEqual(60);
    // For its first five seconds it may be a request: one batch in vain for each. Then it is none.
    expect(summary.retries).toBeGreaterThan(0);
    expect(summary.retries).toBeLessThan(summary.batches / 2);
    expect(events.filter(({ event }) => event === 'sessions_hidden')).toEqual([
      { event: 'sessions_hidden', roles: [backupRole], role: expect.stringContaining('tokens') as string },
    ]);
    const exited = once(dump, 'exit');
    dump.kill('SIGKILL');
    await exited;
  });
});

import { describe, expect, it } from 'vitest';
import { cleanup, CommandError, ConfigError, surveyExpired, type CleanupEvent } from '../../src/index.js';
import { services } from '../support/services.js';
import { census, cleanupWorld, fill } from './cleanup-support/world.js';

describe.skipIf(services().postgres === undefined)('cleanup in a program of one’s own', () => {
  const world = cleanupWorld();
  const options = () => ({ 'database-url': world().url, nice: '0' });

  it('tells what would go, and removes it', async () => {
    await fill(world().sql, { expired: 400, live: 50 });
    expect(await surveyExpired(options())).toMatchObject({ wouldDelete: 400, notYet: 50 });
    expect((await census(world().sql)).expired).toBe(400);
    const events: CleanupEvent[] = [];
    const summary = await cleanup(
      { ...options(), 'max-rows': '300' },
      { onEvent: (event) => events.push(event) },
    );
    expect(summary).toMatchObject({ ended: 'max_rows', deleted: 300, backlogRows: 100 });
    expect(events[0]).toMatchObject({ event: 'started', backlogRows: 400 });
    expect(await cleanup(options(), { signal: AbortSignal.abort() })).toMatchObject({ ended: 'interrupted' });
    expect((await census(world().sql)).expired).toBe(100);
  });

  it('throws what the command would say, with its exit code', async () => {
    await expect(cleanup({ ...options(), retention: '1m' })).rejects.toBeInstanceOf(ConfigError);
    const failed: unknown = await cleanup({ 'database-url': 'postgres://u@127.0.0.1:1/d' }).catch(
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(CommandError);
    expect(failed).toMatchObject({ exitCode: 4 });
  });
});

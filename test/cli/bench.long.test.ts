import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { benchWorld, CLOSED_LOAD, OPEN_LOAD } from './bench-world.js';

describe.skipIf(services().postgresBin === undefined)('bench of a server broken on purpose', () => {
  const world = benchWorld();

  it.each([
    ['slow', 'refresh_duration', [...CLOSED_LOAD, '--duplicates', '0']],
    ['faulty', 'refresh_duration', OPEN_LOAD],
    ['chatty', 'db_queries', OPEN_LOAD],
    ['forgetful', 'cache_hit', OPEN_LOAD],
    ['lossy', 'background', OPEN_LOAD],
    // Slow, so that the tabs really meet: one that comes when the first was answered has its rows read, by design.
    ['slow', 'concurrent_refresh', [...OPEN_LOAD, '--tabs', '3']],
  ] as const)('%s: %s fails, and the exit code says so', async (fault, id, flags) => {
    const { code, failed, report, stderr } = await world.benched([fault], ...flags);
    expect(failed, stderr).toContain(id);
    expect(failed.filter((other) => other !== id && other !== 'refresh_duration')).toEqual([]);
    expect(report.verdict).toBe('fail');
    expect(code).toBe(1);
  });
});

import { describe, expect, it } from 'vitest';
import { cleanupChoicesOfServer, cleanupSettings } from '../../../src/config/cleanup-settings.js';
import type { Flags } from '../../../src/config/resolve.js';
import { problemsOf, source } from './source.js';

const DAY_MS = 86_400_000;

const problems = (flags: Flags) => problemsOf(() => cleanupSettings(flags, source()));

describe("cleanup's settings", () => {
  it('have every default of the contract', () => {
    expect(cleanupSettings({}, source())).toEqual({
      command: 'cleanup',
      database: { kind: 'embedded', dataDir: '/srv/app/.carelink' },
      json: false,
      quiet: false,
      logLevel: 'info',
      warnings: [],
      cleanup: {
        retentionMs: 7 * DAY_MS,
        leewayMs: 0,
        slidingEnd: 'refresh_exp',
        batchSize: undefined,
        targetBatchMs: 25,
        nice: 4,
        maxRows: undefined,
        maxDurationMs: undefined,
        vacuum: 'auto',
        ignoredStandbys: [],
      },
      dryRun: false,
      tokenTables: true,
      everyMs: undefined,
    });
  });

  it('are what flags say, then variables', () => {
    const env = {
      DATABASE_URL: 'postgres://u@h/d',
      CARELINK_NICE: '7',
      CARELINK_RETENTION: '30d',
      CARELINK_MAX_ROWS: '5',
    };
    const flags = {
      nice: '0',
      'batch-size': '500',
      'target-batch-time': '100ms',
      every: '1h',
      leeway: '30s',
    };
    expect(cleanupSettings(flags, source(env))).toMatchObject({
      database: { kind: 'url', url: 'postgres://u@h/d' },
      cleanup: {
        retentionMs: 30 * DAY_MS,
        leewayMs: 30_000,
        nice: 0,
        batchSize: 500,
        targetBatchMs: 100,
        maxRows: 5,
      },
      everyMs: 3_600_000,
    });
  });

  it.each<[Flags, RegExp]>([
    [{ retention: '59m' }, /--retention.*59m/],
    [{ retention: 'week' }, /--retention.*week/],
    [{ nice: '-1' }, /--nice/],
    [{ 'batch-size': '0' }, /--batch-size.*auto, or/],
    [{ 'batch-size': '20001' }, /--batch-size/],
    [{ 'target-batch-time': '3s' }, /--target-batch-time/],
    [{ 'max-rows': '0' }, /--max-rows/],
    [{ every: '59s' }, /--every/],
    [{ vacuum: 'full' }, /--vacuum.*auto.*off/],
    [{ 'dry-run': true, every: '1h' }, /--dry-run and --every exclude each other/],
  ])('refuse %j', (flags, message) => {
    const said = problems(flags);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(message);
  });

  it('tell everything that is wrong at once', () => {
    expect(problems({ retention: '1s', nice: 'x', vacuum: 'no' })).toHaveLength(3);
  });

  it('are the same defaults inside a server, with its leeway', () => {
    expect(cleanupChoicesOfServer(20.0015, 'until')).toEqual({
      ...cleanupSettings({}, source()).cleanup,
      // Rounded up: nothing may go sooner.
      leewayMs: 20_002,
      slidingEnd: 'until',
    });
  });
});

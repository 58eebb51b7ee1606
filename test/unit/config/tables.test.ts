import { describe, expect, it } from 'vitest';
import { BENCH_OPTIONS } from '../../../src/config/bench-options.js';
import { MIGRATE_OPTIONS } from '../../../src/config/migrate-options.js';
import { migrateSettings } from '../../../src/config/migrate-settings.js';
import { variableOf, type Table } from '../../../src/config/option.js';
import { resolve } from '../../../src/config/resolve.js';
import { SERVE_OPTIONS } from '../../../src/config/serve-options.js';
import { ALGORITHMS, type LogLevel } from '../../../src/config/vocabulary.js';
import { ALGORITHMS as JWT_ALGORITHMS } from '../../../src/jwt/codec.js';
import type { LogLevel as ObservedLogLevel } from '../../../src/observe/log.js';
import { source } from './source.js';

const tables: [string, Table][] = [
  ['serve', SERVE_OPTIONS],
  ['migrate', MIGRATE_OPTIONS],
  ['bench', BENCH_OPTIONS],
];

describe('the option tables', () => {
  it.each(tables)('every option of %s is read from its variable', (_, table) => {
    for (const [flag, option] of Object.entries(table)) {
      const { given } = resolve(table, {}, { [variableOf(flag)]: 'x' });
      expect(given[flag], flag).toBe(variableOf(flag));
      for (const customary of option.customary) {
        expect(resolve(table, {}, { [customary]: 'x' }).given[flag]).toBe(customary);
      }
    }
  });

  it.each(tables)('every option of %s that is refused says what is allowed', (_, table) => {
    for (const [flag, option] of Object.entries(table)) {
      // A control character is in no value that is allowed, and `\0` in no path.
      const { problems } = resolve(table, {}, { [variableOf(flag)]: 'x\0' });
      if (flag === 'signing-key') continue;
      expect(problems, flag).toHaveLength(1);
      expect(problems[0], flag).toMatch(new RegExp(`^${variableOf(flag)} takes .+`));
      expect(option.help).not.toBe('');
    }
  });

  it('know the words of the rooms they speak for', () => {
    expect(ALGORITHMS).toEqual(JWT_ALGORITHMS);
    const level: LogLevel = 'info' satisfies ObservedLogLevel;
    const back: ObservedLogLevel = level;
    expect(back).toBe('info');
  });

  it("migrate's settings", () => {
    const flags = { 'create-tables': true, 'database-url': 'postgres://h/d', quiet: true };
    expect(migrateSettings(flags, source())).toEqual({
      command: 'migrate',
      action: 'up',
      names: [],
      database: { kind: 'url', url: 'postgres://h/d' },
      createTables: true,
      buildCovered: false,
      notify: false,
      users: { userTable: undefined, userIdColumn: 'id', userActiveColumn: 'is_active' },
      dropTables: false,
      lockTimeoutMs: 100,
      maxWaitMs: undefined,
      json: false,
      quiet: true,
      logLevel: 'warn',
      warnings: [],
    });
    expect(() => migrateSettings({}, source({ CARELINK_CREATE_TABLES: 'maybe' }))).toThrow(
      'CARELINK_CREATE_TABLES takes true or false, not "maybe".',
    );
    expect(migrateSettings({}, source(), ['down', 'idx_a', 'idx_b'])).toMatchObject({
      action: 'down',
      names: ['idx_a', 'idx_b'],
    });
    expect(() => migrateSettings({}, source(), ['sideways'])).toThrow('one of up, status, plan, down');
    expect(() => migrateSettings({}, source(), ['plan', 'idx_a'])).toThrow('takes no names');
  });
});

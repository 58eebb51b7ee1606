import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.js';
import { ALL_OPTIONS } from '../../../src/config/all-options.js';
import { BENCH_OPTIONS } from '../../../src/config/bench-options.js';
import { MIGRATE_OPTIONS } from '../../../src/config/migrate-options.js';
import { deadLettersSettings } from '../../../src/config/dead-letters-settings.js';
import { migrateSettings } from '../../../src/config/migrate-settings.js';
import { variableOf, type Table } from '../../../src/config/option.js';
import { resolve } from '../../../src/config/resolve.js';
import { REVOKE_OPTIONS } from '../../../src/config/revoke-options.js';
import { revokeSettings } from '../../../src/config/revoke-settings.js';
import { SERVE_OPTIONS } from '../../../src/config/serve-options.js';
import { unknownVariables } from '../../../src/config/unknown-variables.js';
import { ALGORITHMS, KPI_IDS, type LogLevel } from '../../../src/config/vocabulary.js';
import { ALGORITHMS as JWT_ALGORITHMS } from '../../../src/jwt/codec.js';
import { KPI_IDS as OBSERVED_KPI_IDS } from '../../../src/observe/kpis.js';
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
      expect(given[flag], flag).toBe(option.typed ? undefined : variableOf(flag));
      for (const customary of option.customary) {
        expect(resolve(table, {}, { [customary]: 'x' }).given[flag]).toBe(customary);
      }
    }
  });

  it.each(tables)('every option of %s that is refused says what is allowed', (_, table) => {
    for (const [flag, option] of Object.entries(table)) {
      // A control character is in no value that is allowed, and `\0` in no path.
      const { problems } = resolve(table, {}, { [variableOf(flag)]: 'x\0' });
      if (flag === 'signing-key' || option.typed) continue;
      expect(problems, flag).toHaveLength(1);
      expect(problems[0], flag).toMatch(new RegExp(`^${variableOf(flag)} takes .+`));
      expect(option.help).not.toBe('');
    }
  });

  it('what removes things, and a word of consent, has to be typed: no variable does it, and one that tries is told of', () => {
    const typed = [...tables.map(([, table]) => table), REVOKE_OPTIONS].flatMap((table) =>
      Object.entries(table as Table).flatMap(([flag, option]) => (option.typed ? [flag] : [])),
    );
    expect([...new Set(typed)].sort()).toEqual(['drop-tables', 'subscribers-ready', 'yes']);
    const url = { 'database-url': 'postgres://h/d' };
    const env = { CARELINK_YES: 'true', CARELINK_DROP_TABLES: 'true' };
    expect(revokeSettings({ ...url, user: '1' }, source(env)).yes).toBe(false);
    expect(migrateSettings(url, source(env), ['down'])).toMatchObject({ yes: false, dropTables: false });
    expect(revokeSettings({ ...url, user: '1', yes: true }, source(env)).yes).toBe(true);
    expect(deadLettersSettings(url, source(env), ['drop', '1']).yes).toBe(false);
    expect(deadLettersSettings({ ...url, yes: true }, source(env), ['drop', '1']).yes).toBe(true);
    expect(unknownVariables({ env })).toEqual([
      'The environment variable CARELINK_DROP_TABLES is set, and is not read: --drop-tables has to be typed.',
      'The environment variable CARELINK_YES is set, and is not read: --yes has to be typed.',
    ]);
  });

  it('of every command are known, so that no variable of theirs is called unknown', () => {
    const known = new Set(ALL_OPTIONS.map(([flag]) => flag));
    const unknown = COMMANDS.flatMap(({ name, table }) =>
      Object.keys(table)
        .filter((flag) => !known.has(flag))
        .map((flag) => `${name} --${flag}`),
    );
    expect(unknown).toEqual([]);
    expect(unknownVariables({ env: { CARELINK_SINCE: '1d', CARELINK_ALL: 'true' } })).toEqual([]);
  });

  it('know the words of the rooms they speak for', () => {
    expect(ALGORITHMS).toEqual(JWT_ALGORITHMS);
    expect(KPI_IDS).toEqual(OBSERVED_KPI_IDS);
    const level: LogLevel = 'info' satisfies ObservedLogLevel;
    const back: ObservedLogLevel = level;
    expect(back).toBe('info');
  });

  it("migrate's settings", () => {
    const flags = { 'create-tables': true, 'database-url': 'postgres://h/d', quiet: true };
    expect(migrateSettings(flags, source())).toEqual({
      command: 'migrate',
      yes: false,
      subscribersReady: false,
      dryRun: false,
      tokenTables: true,
      action: 'up',
      names: [],
      database: { kind: 'url', url: 'postgres://h/d' },
      createTables: true,
      buildCovered: false,
      notify: false,
      users: {
        userCheck: 'auto',
        userTable: undefined,
        userIdColumn: undefined,
        userActiveColumn: 'is_active',
        userClaimsColumn: undefined,
        passwordColumn: 'password',
      },
      home: undefined,
      role: undefined,
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

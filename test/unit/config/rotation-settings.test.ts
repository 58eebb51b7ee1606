import { describe, expect, it } from 'vitest';
import { cleanupSettings } from '../../../src/config/cleanup-settings.js';
import { migrateSettings } from '../../../src/config/migrate-settings.js';
import type { Flags } from '../../../src/config/resolve.js';
import { revokeSettings } from '../../../src/config/revoke-settings.js';
import { serveSettings } from '../../../src/config/serve-settings.js';
import { problemsOf, source } from './source.js';

const rotation = (flags: Flags) => serveSettings(flags, source()).rotation;
const problems = (flags: Flags) => problemsOf(() => serveSettings(flags, source()));
const REDIS = { 'redis-url': 'redis://h' };

describe('the policy', () => {
  it('is to spend every token, unless another one is asked for', () => {
    expect(rotation({})).toMatchObject({ policy: 'on', tokenTables: true, verifyBlacklist: true });
    expect(rotation({ rotation: 'off', 'token-tables': 'none' })).toMatchObject({
      policy: 'off',
      tokenTables: false,
      verifyBlacklist: false,
    });
  });

  it.each(['off', 'keep'])('%s: what is about spent tokens is refused, each with the reason', (policy) => {
    const why = `--rotation ${policy} spends no token`;
    for (const onReuse of ['revoke-family', 'revoke-user']) {
      expect(problems({ rotation: policy, 'on-reuse': onReuse })).toEqual([expect.stringContaining(why)]);
      expect(problems({ rotation: policy, 'on-reuse': onReuse })[0]).toContain(
        `leave --on-reuse ${onReuse} out`,
      );
    }
    expect(problems({ rotation: policy, 'reuse-grace': '10s' })).toEqual([
      expect.stringContaining('--reuse-grace'),
    ]);
    const async = problems({ rotation: policy, blacklist: 'async', ...REDIS });
    expect(async).toEqual([expect.stringContaining('leave --blacklist async out')]);
    expect(
      problems({
        rotation: policy,
        'on-reuse': 'revoke-user',
        'reuse-grace': '1s',
        blacklist: 'async',
        ...REDIS,
      }),
    ).toHaveLength(3);
  });

  it.each(['on', 'offered'])('%s keeps them', (policy) => {
    const given = {
      rotation: policy,
      'on-reuse': 'revoke-user',
      'reuse-grace': '1s',
      blacklist: 'async',
      ...REDIS,
    };
    expect(rotation(given)).toMatchObject({ policy, onReuse: 'revoke-user', reuseGraceMs: 1_000 });
  });

  it('a Redis that is not asked is told of', () => {
    expect(serveSettings({ rotation: 'off', ...REDIS }, source()).warnings).toEqual([
      expect.stringContaining('--redis-url'),
    ]);
    expect(serveSettings(REDIS, source()).warnings).toEqual([]);
  });
});

describe('without token tables', () => {
  const NONE = { 'token-tables': 'none' };

  it.each(['on', 'offered'])('%s is refused: a token is spent by a row', (policy) => {
    expect(problems({ rotation: policy, ...NONE })).toEqual([
      expect.stringContaining('a token is spent by a row'),
    ]);
  });

  it('nothing is cleaned up, in no mode', () => {
    expect(serveSettings({ rotation: 'off', ...NONE }, source()).cleanup).toBeUndefined();
    const every = serveSettings({ rotation: 'off', 'cleanup-every': '1h', ...NONE }, source());
    expect(every.cleanup).toBeUndefined();
    expect(every.warnings).toEqual([expect.stringContaining('--cleanup-every')]);
    expect(cleanupSettings(NONE, source()).tokenTables).toBe(false);
  });

  it('migrate makes no tables and no triggers', () => {
    const of = (flags: Flags) => problemsOf(() => migrateSettings({ ...NONE, ...flags }, source()));
    expect(migrateSettings(NONE, source())).toMatchObject({ tokenTables: false, createTables: false });
    expect(of({ 'create-tables': true })).toEqual([expect.stringContaining('--create-tables')]);
    expect(of({ notify: true })).toEqual([expect.stringContaining('--notify')]);
  });

  it('revoke takes a user or a time, and no single token', () => {
    expect(revokeSettings({ user: '7', ...NONE }, source()).tokenTables).toBe(false);
    expect(revokeSettings({ 'issued-before': 'now', ...NONE }, source()).tokenTables).toBe(false);
    const one = problemsOf(() => revokeSettings({ jti: 'a', ...NONE }, source()));
    expect(one).toEqual([expect.stringContaining('Take --user or --issued-before')]);
  });
});

describe('whether verify/ refuses blacklisted tokens', () => {
  it.each([
    ['on', 'auto', true],
    ['offered', 'auto', true],
    // BLACKLIST_AFTER_ROTATION may be on or off there: the careful answer, unless the operator knows.
    ['off', 'auto', true],
    ['off', 'off', false],
    ['keep', 'auto', false],
    ['keep', 'on', true],
  ])('--rotation %s, --verify-blacklist %s: %s', (policy, asked, refuses) => {
    expect(rotation({ rotation: policy, 'verify-blacklist': asked }).verifyBlacklist).toBe(refuses);
  });

  it('is no question where tokens are spent, or where there is no blacklist', () => {
    expect(problems({ 'verify-blacklist': 'off' })).toEqual([
      expect.stringContaining('--verify-blacklist off'),
    ]);
    const none = { rotation: 'off', 'token-tables': 'none', 'verify-blacklist': 'on' };
    expect(problems(none)).toEqual([expect.stringContaining('there is no blacklist')]);
  });
});

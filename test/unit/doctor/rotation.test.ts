import { describe, expect, it } from 'vitest';
import { TABLE_CHECKS } from '../../../src/doctor/checks/tables.js';
import { TOKEN_CHECKS } from '../../../src/doctor/checks/tokens.js';
import type { Evidence } from '../../../src/doctor/index.js';

const NOW_MS = 1_800_000_000_000;

/** Of 40 tokens that are four hours old so many are spent. */
const site = (rotation: string, spent: number, tables: readonly object[] = []) =>
  ({
    database: {
      kind: 'reached',
      nowMs: NOW_MS,
      facts: { outstanding: true, blacklisted: true, tables },
      samples: {
        value: Array.from({ length: 40 }, (_, n) => ({
          fate: 'accepted',
          type: 'refresh',
          expired: false,
          issuedAtSeconds: NOW_MS / 1000 - 4 * 3_600,
          spent: n < spent,
        })),
      },
    },
    options: { rotation, tokenTables: true },
  }) as unknown as Evidence;

const judged = (evidence: Evidence) => TOKEN_CHECKS.find(({ id }) => id === 'rotation')!.judge(evidence);

describe("doctor's look at whether the site rotates", () => {
  it.each([
    ['on', 0, [{ severity: 'warning' }]],
    ['on', 1, []],
    ['off', 0, []],
    // Log-outs.
    ['off', 8, []],
    ['off', 35, [{ severity: 'warning' }]],
    ['keep', 35, [{ severity: 'warning' }]],
  ])('--rotation %s, %d of 40 old tokens spent: %o', (rotation, spent, found) => {
    expect(judged(site(rotation, spent))).toMatchObject(found);
  });

  it('says nothing of a site that is moving', () => {
    expect(judged(site('offered', 0))).toBe('unused');
  });

  it('names the policies that a site without rotation can choose', () => {
    expect(JSON.stringify(judged(site('on', 0)))).toMatch(/--rotation off.*--rotation offered/);
  });
});

describe('--token-tables none', () => {
  const check = TABLE_CHECKS.find(({ id }) => id === 'token_tables')!;
  const none = (tables: readonly object[]): Evidence => {
    const evidence = site('off', 0, tables);
    return { ...evidence, options: { ...evidence.options, tokenTables: false } };
  };

  it('is well without them, and a fault where they are in any schema', () => {
    expect(check.judge(none([]))).toEqual([]);
    const hidden = { name: 'token_blacklist_blacklistedtoken', schema: 'other', visible: false };
    const found = check.judge(none([hidden]));
    expect(found).toMatchObject([{ severity: 'fault' }]);
    expect(JSON.stringify(found)).toContain('other.token_blacklist_blacklistedtoken');
  });
});

describe("doctor's look at lifetimes", () => {
  const check = TOKEN_CHECKS.find(({ id }) => id === 'lifetime')!;
  const of = (lifetimeSeconds: number, ...claims: string[]) => {
    const { database, options } = site('on', 0);
    const samples = { value: [{ fate: 'accepted', type: 'refresh', lifetimeSeconds, claims }] };
    return check.judge({
      database: { ...database, samples },
      options: { ...options, refreshLifetimeSeconds: 43_200 },
    } as unknown as Evidence);
  };

  it('takes what is left of a session for no setting', () => {
    expect(of(43_200, 'exp')).toEqual([]);
    expect(of(17, 'exp')).toMatchObject([{ severity: 'warning' }]);
    expect(JSON.stringify(of(17, 'exp', 'carelink_start'))).not.toContain('warning');
  });
});

import { describe, expect, it } from 'vitest';
import { diagnose, type Evidence } from '../../../src/doctor/index.js';

const DAY_MS = 86_400_000;

const evidence: Evidence = {
  database: { kind: 'unreachable', message: 'no answer', code: undefined },
  redis: undefined,
  keys: { error: undefined, warnings: [], secretBytes: 48, examples: [], chainKeyPinned: true, follows: undefined },
  certificate: undefined,
  options: {
    algorithm: 'HS256', audience: [], issuer: undefined,
    names: { userId: 'user_id', jti: 'jti', tokenType: 'token_type', slidingEnd: 'refresh_exp' }, subAsText: false,
    userCheck: 'auto', blacklist: 'auto', compat: '5.5', poolSize: 10,
    accessLifetimeSeconds: 900, refreshLifetimeSeconds: 43_200, slidingLifetimeSeconds: 900, cleansUp: false,
    rotation: 'on', tokenTables: true,
  },
  adoption: undefined,
  wallClockMs: 0,
}; // prettier-ignore

const statusOf = (given: Evidence, check: string) =>
  diagnose(given).find((one) => one.check === check)?.status;

describe('doctor', () => {
  it('calls nothing well that is not configured at all', () => {
    const checks = ['redis', 'redis_eviction', 'redis_owner', 'certificate'];
    expect(checks.map((check) => statusOf(evidence, check))).toEqual(checks.map(() => 'unused'));
    const redis = {
      kind: 'reached',
      version: '7.0',
      maxmemory: 0,
      maxmemoryPolicy: 'noeviction',
      obstacle: undefined,
      owner: undefined,
      ownedBy: () => '',
    } as const;
    const configured = { ...evidence, redis, certificate: { subject: 'CN=x', validToMs: 90 * DAY_MS } };
    // Whose it is can't be told without the database.
    expect(checks.map((check) => statusOf(configured, check))).toEqual(['ok', 'ok', 'unknown', 'ok']);
  });

  it('can not tell of tables in a database that does not answer', () => {
    expect(['database', 'token_tables'].map((check) => statusOf(evidence, check))).toEqual([
      'fault',
      'unknown',
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { metricsSink } from '../../../src/observe/metrics.js';

describe('metrics', () => {
  it('counts what it is told, under the names of the contract', async () => {
    const sink = metricsSink();
    sink.onRequest('refresh', 'rotated', 12_000);
    sink.onRequest('refresh', 'in_progress', 500);
    sink.onRequest('verify', 'valid', 100);
    sink.onStatement('claim');
    sink.onBatch(7);
    sink.onRotationEvent({ kind: 'cache_lookup', result: 'active' });
    sink.onRotationEvent({ kind: 'reuse', reuse: 'late', userKey: 'user-17' });
    sink.onRotationEvent({ kind: 'revocation', cause: 'logout', end: 'tip', rows: 3 });
    sink.onRotationEvent({ kind: 'claim_in_doubt', resolved: true });
    const text = await sink.render();
    for (const line of [
      'carelink_token_refresh_total{outcome="rotated"} 1',
      'carelink_token_refresh_total{outcome="in_progress"} 1',
      'carelink_token_refresh_total{outcome="valid"} 0',
      'carelink_token_refresh_duration_seconds_sum{outcome="rotated"} 0.012',
      'carelink_token_refresh_duration_seconds_bucket{le="0.01",outcome="rotated"} 0',
      'carelink_token_refresh_duration_seconds_bucket{le="0.02",outcome="rotated"} 1',
      'carelink_http_requests_total{route="verify",outcome="valid"} 1',
      'carelink_db_statements_total{purpose="claim"} 1',
      'carelink_group_commit_batch_size_sum 7',
      'carelink_cache_lookups_total{result="active"} 1',
      'carelink_token_reuse_total{kind="late"} 1',
      'carelink_token_reuse_total{kind="second_claim"} 0',
      'carelink_token_revocations_total{end="tip"} 1',
      'carelink_claims_in_doubt_total{resolved="true"} 1',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).not.toContain('user-17');
  });

  it('gives every sink a registry of its own', async () => {
    metricsSink().onStatement('claim');
    expect(await metricsSink().render()).not.toContain('carelink_db_statements_total{purpose="claim"} 1');
  });
});

import { describe, expect, it } from 'vitest';
import { renewalFault } from '../../../src/config/tls-pair.js';
import { OTHER_TLS, TLS } from '../../support/tls-pair.js';

const NOW_MS = Date.parse('2030-01-01T00:00:00Z');
const chain = TLS.cert + OTHER_TLS.cert;

describe('a renewed pair', () => {
  it('is taken where certificate and key belong together, with its chain and with remarks', () => {
    expect(renewalFault(TLS, NOW_MS)).toBeUndefined();
    expect(renewalFault({ ...TLS, cert: chain }, NOW_MS)).toBeUndefined();
    expect(renewalFault({ ...TLS, cert: `subject=CN = localhost\n${chain}\n` }, NOW_MS)).toBeUndefined();
  });

  it('is refused with the key of another certificate', () => {
    expect(renewalFault({ ...TLS, key: OTHER_TLS.key }, NOW_MS)).toContain('KEY_VALUES_MISMATCH');
  });

  it('is refused where its chain breaks off, wherever that is', () => {
    const whole = chain.trimEnd().length;
    // What breaks off between two certificates can't be told from a shorter chain.
    const cuts = Array.from({ length: whole }, (_, at) => at).filter(
      (at) => at < TLS.cert.trimEnd().length || chain.slice(TLS.cert.length, at).trim() !== '',
    );
    const taken = cuts.filter(
      (at) => renewalFault({ ...TLS, cert: chain.slice(0, at) }, NOW_MS) === undefined,
    );
    expect(cuts.length).toBeGreaterThan(1_000);
    expect(taken.map((at) => chain.slice(at - 20, at))).toEqual([]);
  });

  it('is refused before and after its time', () => {
    expect(renewalFault(TLS, Date.parse('2020-01-01T00:00:00Z'))).toContain('not valid before');
    expect(renewalFault(TLS, Date.parse('2200-01-01T00:00:00Z'))).toContain('has expired');
  });
});

import { describe, expect, it } from 'vitest';
import type { Flags } from '../../../src/config/resolve.js';
import { serveSettings } from '../../../src/config/serve-settings.js';
import { TLS } from '../../support/tls-pair.js';
import { problemsOf, source } from './source.js';

const files = { '/srv/app/cert.pem': TLS.cert, '/srv/app/key.pem': TLS.key };
const problems = (flags: Flags) => problemsOf(() => serveSettings(flags, source({}, files)));

describe('--host', () => {
  it('takes a socket by its absolute path', () => {
    const { http } = serveSettings(
      { host: 'unix:/run/carelink/x.sock', 'trusted-proxy': ['unix:'] },
      source(),
    );
    expect(http).toMatchObject({
      host: 'unix:/run/carelink/x.sock',
      socket: '/run/carelink/x.sock',
      trustedProxies: { ranges: [{ address: 'unix:', prefix: 0 }] },
    });
    expect(serveSettings({ host: 'localhost' }, source()).http.socket).toBeUndefined();
  });

  it.each(['unix:', 'unix:x.sock', 'unix:./x.sock', 'unix:/run/', `unix:/${'x'.repeat(94)}`])(
    'refuses %s',
    (host) => expect(problems({ host })).toHaveLength(1),
  );

  it('with a socket excludes a certificate, and the demo, which is for browsers', () => {
    const host = 'unix:/run/x.sock';
    expect(problems({ host, 'tls-cert': 'cert.pem', 'tls-key': 'key.pem' })).toEqual([
      expect.stringContaining('--tls-cert is for a port'),
    ]);
    expect(problems({ host, demo: true })).toEqual([expect.stringContaining('--demo listens on loopback')]);
  });

  it('without a socket has no peers whose word could be taken by unix:', () => {
    expect(problems({ 'trusted-proxy': ['unix:'] })).toEqual([
      expect.stringContaining('it needs --host unix:/path'),
    ]);
  });

  it('is not where the admin port may listen at a socket', () => {
    expect(problems({ 'admin-host': 'unix:/run/x.sock' })).toHaveLength(1);
  });
});

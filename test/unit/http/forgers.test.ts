import { afterEach, describe, expect, it } from 'vitest';
import { OwnCookies } from '../../../src/http/cookies/own.js';
import { RateLimit } from '../../../src/rotation/rate-limit.js';
import { REFRESH, start, type Started } from './server-under-test.js';

describe('whoever sends forged tokens', () => {
  let started: Started | undefined;
  afterEach(() => started?.server.close(1_000));

  it('is held to one rate for a whole network of IPv6, of which every address is theirs', async () => {
    started = await start({
      service: { refresh: () => Promise.resolve({ kind: 'invalid', reason: 'invalid' }) },
      proxies: { ranges: [{ address: '127.0.0.1', prefix: 32 }], header: 'x-forwarded-for' },
      forgers: new RateLimit({ count: 2, periodMs: 3_600_000 }, () => 1_000),
    });
    const statuses: number[] = [];
    for (const address of [
      '2001:db8::1',
      '2001:db8::2',
      '2001:db8::3:4',
      '2001:db8:0:1::1',
      '198.51.100.7',
    ]) {
      const answer = await fetch(`${started.url}${REFRESH}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': address },
        body: '{"refresh":"a.b.c"}',
      });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([401, 401, 429, 401, 401]);
  });

  it('are logged out all the same: the cookie goes, however many others at that address went too far', async () => {
    started = await start({
      service: { logout: () => Promise.resolve({ kind: 'invalid', reason: 'invalid' }) },
      cookies: new OwnCookies({ tellsEnd: false }),
      forgers: new RateLimit({ count: 1, periodMs: 3_600_000 }, () => 1_000),
    });
    for (let times = 0; times < 3; times++) {
      const answer = await fetch(`${started.url}/account/token/blacklist/`, {
        method: 'POST',
        headers: { 'X-Carelink-Session': 's', Cookie: '__Host-carelink-refresh-s=a.b.c' },
      });
      expect([answer.status, answer.headers.get('set-cookie')]).toEqual([
        401,
        expect.stringContaining('__Host-carelink-refresh-s=; Max-Age=0'),
      ]);
    }
  });
});

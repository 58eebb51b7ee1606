import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EDGE_OPTIONS } from '../../../src/config/edge-options.js';
import { ClientAddress, countedAs } from '../../../src/http/client-address.js';

const rangesOf = (...texts: string[]) => {
  const parsed = EDGE_OPTIONS['trusted-proxy'].parse(texts);
  if (!parsed.ok) throw new Error(parsed.text);
  return parsed.value;
};

const PROXIES = ['10.0.0.0/8', '127.0.0.1', '2001:db8:1::/48'];

const from = (remoteAddress: string | undefined, header?: string, name = 'x-forwarded-for') =>
  new ClientAddress({ ranges: rangesOf(...PROXIES), header: name }).of({
    socket: { remoteAddress },
    headers: header === undefined ? {} : { [name]: header },
  } as unknown as IncomingMessage);

describe("a client's address", () => {
  it.each([
    // Nobody is trusted but those who are named.
    ['203.0.113.9', undefined, '203.0.113.9'],
    ['203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['::ffff:203.0.113.9', '198.51.100.1', '203.0.113.9'],
    [undefined, '198.51.100.1', ''],
    // What a proxy heard.
    ['127.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['::ffff:127.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['10.200.1.1', '198.51.100.1', '198.51.100.1'],
    ['2001:db8:1::7', '2001:db8:2::1', '2001:db8:2::1'],
    ['127.0.0.1', '198.51.100.1, 10.1.1.1', '198.51.100.1'],
    ['127.0.0.1', '198.51.100.1,10.1.1.1 , 10.1.1.2', '198.51.100.1'],
    ['127.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
    ['127.0.0.1', '[2001:DB8:2::1]:4711', '2001:db8:2::1'],
    ['127.0.0.1', '2001:db8:2::1', '2001:db8:2::1'],
    ['127.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
    ['127.0.0.1', 'fe80::1%eth0', 'fe80::1'],
    // What the client wrote before it is passed over.
    ['127.0.0.1', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['127.0.0.1', '127.0.0.1, 198.51.100.1', '198.51.100.1'],
    ['127.0.0.1', 'garbage, 198.51.100.1', '198.51.100.1'],
    ['127.0.0.1', '1.1.1.1, 198.51.100.1, 10.1.1.1', '198.51.100.1'],
    // All of them are proxies: the first of them began it.
    ['127.0.0.1', '10.1.1.1, 10.1.1.2', '10.1.1.1'],
    ['127.0.0.1', undefined, '127.0.0.1'],
    // Nobody further than the last proxy is known.
    ['127.0.0.1', '198.51.100.1, unknown', '127.0.0.1'],
    ['127.0.0.1', '198.51.100.1, unknown, 10.1.1.1', '10.1.1.1'],
    ['127.0.0.1', '198.51.100.1,', '127.0.0.1'],
    ['127.0.0.1', '', '127.0.0.1'],
    ['127.0.0.1', '999.1.1.1', '127.0.0.1'],
    ['127.0.0.1', '198.51.100.1 198.51.100.2', '127.0.0.1'],
  ])('of %s with X-Forwarded-For: %s is %s', (remote, header, address) =>
    expect(from(remote, header)).toBe(address),
  );

  it.each([
    ['for=198.51.100.1', '198.51.100.1'],
    ['For="[2001:db8:2::1]:4711"', '2001:db8:2::1'],
    ['proto=https;for=198.51.100.1;by=10.0.0.1', '198.51.100.1'],
    ['for=1.1.1.1, for=198.51.100.1;proto=http, for=10.0.0.1', '198.51.100.1'],
    ['for="198.51.100.2, for=10.0.0.1", for=198.51.100.1', '198.51.100.1'],
    ['for=198.51.100.1, for=_hidden', '127.0.0.1'],
    ['for=198.51.100.1, for=unknown', '127.0.0.1'],
    ['by=198.51.100.1', '127.0.0.1'],
    ['host="a;for=1.1.1.1"', '127.0.0.1'],
    ['for=198.51.100.1, "for=1.1.1.1', '127.0.0.1'],
    // A quote that a client left open ends at none that a proxy wrote.
    ['for=1.1.1.1;x=", for="[2001:db8:2::1]:4711"', '2001:db8:2::1'],
    ['for=1.1.1.1;x=", for=198.51.100.1;host="api.example.org"', '198.51.100.1'],
    ['for=1.1.1.1;x="\\, for="198.51.100.1"', '198.51.100.1'],
    // Nor does a host that it asked for say who it is.
    ['host="a;for=1.1.1.1;b";for=198.51.100.1', '198.51.100.1'],
    ['for="198.51.100.1"; proto=https', '198.51.100.1'],
    [';;for=[2001:db8:2::1]', '2001:db8:2::1'],
  ])('with Forwarded: %s is %s', (header, address) =>
    expect(from('127.0.0.1', header, 'forwarded')).toBe(address),
  );

  it.each([
    ['198.51.100.1', '198.51.100.1'],
    ['1.1.1.1, 198.51.100.1, 10.1.1.1', '198.51.100.1'],
    ['unknown', ''],
    [undefined, ''],
  ])('at a socket whose peers are trusted, with X-Forwarded-For: %s, is %s', (told, address) => {
    const at = new ClientAddress({ ranges: rangesOf('unix:', ...PROXIES), header: 'x-forwarded-for' });
    const headers = told === undefined ? {} : { 'x-forwarded-for': told };
    const request = { socket: { remoteAddress: undefined }, headers } as unknown as IncomingMessage;
    expect(at.of(request)).toBe(address);
    expect(at.isProxied(request)).toBe(true);
    // Nobody who has an address came by the socket.
    const other = { socket: { remoteAddress: '203.0.113.9' }, headers } as unknown as IncomingMessage;
    expect(at.of(other)).toBe('203.0.113.9');
    expect(at.isProxied(other)).toBe(false);
  });

  it('is told by the one header that was named', () => {
    expect(from('127.0.0.1', '198.51.100.1', 'cf-connecting-ip')).toBe('198.51.100.1');
    const named = new ClientAddress({ ranges: rangesOf(...PROXIES), header: 'forwarded' });
    const headers = { 'x-forwarded-for': '198.51.100.1' };
    expect(named.of({ socket: { remoteAddress: '127.0.0.1' }, headers } as unknown as IncomingMessage)).toBe(
      '127.0.0.1',
    );
  });

  it('is found in one pass: quotes that a client leaves open can not keep a server busy', () => {
    const startedMs = performance.now();
    // Squared, this takes half a minute.
    expect(from('127.0.0.1', `"${String.raw`\"`.repeat(120_000)}`, 'forwarded')).toBe('127.0.0.1');
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });

  it('can not be chosen by a client by quotes and escapes of Forwarded', () => {
    const unit = fc.constantFrom('for=1.1.1.1', ';', ',', '"', '\\', '=', 'x', ' ');
    fc.assert(
      fc.property(fc.string({ unit }), (said) => {
        for (const heard of ['for="198.51.100.1:80"', 'for=198.51.100.1;host="a.example"'])
          expect(from('127.0.0.1', `${said}, ${heard}`, 'forwarded')).toBe('198.51.100.1');
      }),
      { numRuns: 5_000 },
    );
  });

  it('can not be chosen by a client, whatever it writes in front of what a proxy appends', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...Array.from('0123456789.,:;="[] \\for')) }), (said) => {
        expect(from('127.0.0.1', `${said}, 198.51.100.1`)).toBe('198.51.100.1');
        expect(from('198.51.100.1', said)).toBe('198.51.100.1');
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('a rate counts as one', () => {
  it.each([
    ['198.51.100.7', '198.51.100.7'],
    ['', ''],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::1', '2001:db8:1:2'],
    ['2001:0db8:0001:0002::ffff', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8:0:0:1::', '2001:db8:0:0'],
    ['2001::3:4:5:6:7:8', '2001:0:3:4'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0'],
    ['::1', '0:0:0:0'],
  ])('%s and all of %s', (address, counted) => expect(countedAs(address)).toBe(counted));
});

describe('--trusted-proxy', () => {
  it.each(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1', '0.0.0.0/0'])('takes %s', (text) =>
    expect(rangesOf(text)).toHaveLength(1),
  );
  it.each(['10.0.0.0/33', '10.0.0/8', 'proxy', '10.0.0.0/', '10.0.0.0/8/8', '::/129', 'fe80::1%eth0', '*'])(
    'refuses %s',
    (text) => expect(EDGE_OPTIONS['trusted-proxy'].parse([text]).ok).toBe(false),
  );
});

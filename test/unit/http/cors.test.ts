import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { corsOrigin } from '../../../src/config/origin-kind.js';
import { asset } from '../../../src/http/assets.js';
import { Cors } from '../../../src/http/cors.js';
import { ROTATED, start, type Started } from './server-under-test.js';

const corsOf = (...texts: string[]) => new Cors(texts.map((text) => corsOrigin.parse(text)!));

describe('an origin in --cors-origin', () => {
  it.each([
    ['https://app.example.org', { kind: 'exact', origin: 'https://app.example.org' }],
    ['HTTPS://App.Example.org', { kind: 'exact', origin: 'https://app.example.org' }],
    ['https://app.example.org:443', { kind: 'exact', origin: 'https://app.example.org' }],
    ['http://localhost:3000', { kind: 'exact', origin: 'http://localhost:3000' }],
    ['http://[::1]:8080', { kind: 'exact', origin: 'http://[::1]:8080' }],
    ['https://app.xn--mnchen-3ya.de', { kind: 'exact', origin: 'https://app.xn--mnchen-3ya.de' }],
    ['https://*.example.org', { kind: 'under', scheme: 'https:', suffix: '.example.org', port: '' }],
    ['https://*.Example.org:8443', { kind: 'under', scheme: 'https:', suffix: '.example.org', port: '8443' }],
    ['https://*.example.org:443', { kind: 'under', scheme: 'https:', suffix: '.example.org', port: '' }],
    ['capacitor://localhost', { kind: 'exact', origin: 'capacitor://localhost' }],
    ['*', { kind: 'any' }],
  ])('may be %s', (text, origin) => expect(corsOrigin.parse(text)).toEqual(origin));

  it.each([
    'app.example.org', 'ftp://app.example.org', 'https://', 'https://*', 'https://*.org', 'https://*app.example.org',
    'https://a.*.example.org', 'https://user@app.example.org', 'https://app.example.org?x', 'https://app.example.org#x', '',
    'https://*.example.org:99999', 'https://*.example.123', 'https://*.192.0.2.1', 'https://*.xn--a.test',
  ])('may not be "%s"', (text) => expect(corsOrigin.parse(text)).toBeUndefined()); // prettier-ignore

  it('is told what to leave out', () => {
    for (const text of ['https://app.example.org/', 'https://app.example.org/login']) {
      expect(corsOrigin.parse(text)).toBeUndefined();
      expect(corsOrigin.explain!(text)).toContain('no path and no slash at its end: https://app.example.org');
    }
    expect(corsOrigin.parse('null')).toBeUndefined();
    expect(corsOrigin.explain!('null')).toContain('sandbox');
  });
});

describe('pages of an origin', () => {
  const cors = corsOf('https://app.example.org', 'https://*.clinic.example', 'http://*.clinic.example:8080');

  it.each([
    'https://app.example.org', 'https://a.clinic.example', 'https://a.b.clinic.example', 'http://a.clinic.example:8080',
  ])('may read answers: %s', (origin) => expect(cors.allows(origin)).toBe(true)); // prettier-ignore

  it.each([
    'null', '', 'https://app.example.org.evil.test', 'https://evil-app.example.org', 'https://app.example.org:8443',
    'http://app.example.org', 'HTTPS://APP.EXAMPLE.ORG', 'https://App.example.org', 'https://app.example.org/', ' https://app.example.org',
    'https://user@app.example.org', 'https://clinic.example', 'https://.clinic.example', 'https://evilclinic.example',
    'https://a.clinic.example.evil.test', 'https://a.clinic.example:8080', 'http://a.clinic.example', 'https://a@b.clinic.example',
    'https://evil.test#.clinic.example', 'https://evil.test/.clinic.example', 'https://evil.test?.clinic.example',
    'https://a..clinic.example', 'https://a.clinic.example.', 'https://a.clinic.example https://b.clinic.example',
  ])('may not: %s', (origin) => expect(cors.allows(origin)).toBe(false)); // prettier-ignore

  it('of any origin may with *, but for null and what is no origin', () => {
    const any = corsOf('*');
    for (const origin of ['https://a.test', 'http://b.test:81', 'http://[::1]:81', 'capacitor://localhost'])
      expect(any.allows(origin)).toBe(true);
    for (const origin of ['null', 'file://', 'a.test', 'https://a.test/x'])
      expect(any.allows(origin)).toBe(false);
  });

  it('are none but those that a URL parser puts below the domain', () => {
    const text = fc.string({ unit: fc.constantFrom(...Array.from('.:/@#?\\ht-psaclini.example%2')) });
    fc.assert(
      fc.property(text, text, (a, b) => {
        const origin = `https://${a}clinic.example${b}`;
        if (!cors.allows(origin)) return;
        const url = new URL(origin);
        expect(url.origin).toBe(origin);
        expect(url.hostname.endsWith('.clinic.example')).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('a server with --cors-origin', () => {
  let started: Started | undefined;
  afterEach(() => started?.server.close(0));

  const ORIGIN = 'https://app.example.org';
  const POST = (body: string, headers: Record<string, string> = {}): RequestInit => ({
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  const REFRESH = '/account/token/refresh/';
  const TAG = `"${createHash('sha256').update('1').digest('base64url').slice(0, 22)}"`;
  /** Each way of answering, by the status that it ends with. */
  const WAYS: [number, string, RequestInit][] = [
    [200, REFRESH, POST('{"refresh":"a.b.c"}')],
    [200, '/file.js', {}],
    [304, '/file.js', { headers: { 'if-none-match': TAG } }],
    [200, REFRESH, { method: 'OPTIONS' }],
    [401, '/account/token/verify/', POST('{"token":"a.b.c"}')],
    [400, REFRESH, POST('{')],
    [404, '/nothing', {}],
    [404, '/', {}],
    [405, REFRESH, {}],
    [413, REFRESH, POST('x'.repeat(100_000))],
    [415, REFRESH, POST('x', { 'content-type': 'text/plain' })],
    [429, REFRESH, POST('{"refresh":"busy"}')],
    [503, '/account/token/sliding/refresh/', POST('{"token":"a.b.c"}')],
    [500, '/account/token/blacklist/', POST('{"refresh":"a.b.c"}')],
  ];

  const serve = (cors: Cors | undefined) =>
    start({
      ...(cors && { cors }),
      assets: new Map([['/file.js', asset('text/javascript', '1')]]),
      service: {
        refresh: (token) =>
          Promise.resolve(token === 'busy' ? { kind: 'in_progress', retryAfterSeconds: 1 } : ROTATED),
        verify: () => Promise.resolve({ kind: 'invalid', reason: 'invalid' }),
        slide: () => Promise.resolve({ kind: 'unavailable', retryAfterSeconds: 2 }),
        logout: () => Promise.reject(new Error('broken')),
      },
      level: 'silent',
    });

  const ask = async (path: string, init: RequestInit, origin?: string) => {
    const headers = { ...(init.headers as Record<string, string>), ...(origin && { origin }) };
    const answer = await fetch(started!.url + path, { ...init, headers });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text };
  };

  it.each(WAYS)('lets a listed page read a %i of %s, and no other', async (status, path, init) => {
    started = await serve(corsOf(ORIGIN));
    const [listed, other, none] = [
      await ask(path, init, ORIGIN),
      await ask(path, init, 'https://app.example.org.evil.test'),
      await ask(path, init),
    ];
    for (const answer of [listed, other, none]) {
      expect(answer.status).toBe(status);
      expect(answer.headers.get('vary')).toBe('Origin');
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
    }
    expect(listed.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(listed.headers.get('access-control-expose-headers')).toMatch(/\bRetry-After\b/);
    for (const answer of [other, none]) expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    // Nothing else is different.
    expect(listed.headers.get('content-type')).toBe(none.headers.get('content-type'));
    if (status !== 500) expect(listed.text).toBe(none.text);
  });

  it("answers a preflight, on every path; OPTIONS without one is DRF's", async () => {
    started = await serve(corsOf(ORIGIN));
    const preflight: RequestInit = {
      method: 'OPTIONS',
      headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    };
    for (const path of [REFRESH, '/nothing']) {
      const { status, headers, text } = await ask(path, preflight, ORIGIN);
      expect([status, text]).toEqual([204, '']);
      expect(headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(headers.get('access-control-allow-methods')).toContain('POST');
      expect(headers.get('access-control-allow-headers')).toContain('x-carelink-rotation');
      expect(headers.get('vary')).toBe('Origin');
      const other = await ask(path, preflight, 'null');
      expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([204, null]);
      expect(other.headers.get('access-control-allow-methods')).toBeNull();
    }
    await started.server.close(0);
    started = await serve(new Cors([corsOrigin.parse(ORIGIN)!], false, ['x-tenant', 'content-type']));
    const { headers } = await ask(REFRESH, preflight, ORIGIN);
    const sendable = headers.get('access-control-allow-headers')!.split(', ');
    expect(sendable.filter((name) => /^(?:content-type|x-tenant|authorization)$/.test(name))).toEqual([
      'authorization', 'content-type', 'x-tenant',
    ]); // prettier-ignore
    const { status, text } = await ask(REFRESH, { method: 'OPTIONS' }, ORIGIN);
    expect([status, (JSON.parse(text) as { name: string }).name]).toEqual([200, 'Token Refresh']);
  });

  it.each(WAYS)('is what it was without the option: a %i of %s', async (status, path, init) => {
    started = await serve(undefined);
    const { headers, ...answer } = await ask(path, init, ORIGIN);
    expect(answer.status).toBe(status);
    expect([...headers.keys()].filter((name) => /^(?:vary|access-control)/.test(name))).toEqual([]);
  });
});

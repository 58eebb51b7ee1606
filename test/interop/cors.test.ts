/** A page on another origin gets from this server what it gets from Django with django-cors-headers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { startPair, type Pair } from './pair.js';

const LISTED = ['https://app.example.org', 'http://localhost:3000'];
const ORIGINS = [
  ...LISTED,
  'null',
  'https://app.example.org.evil.test',
  'https://evil.test',
  'https://app.example.org:8443',
  'http://app.example.org',
  'http://localhost:3001',
  undefined,
];

describe.skipIf(services().postgres === undefined || !services().django)(
  'pages of other origins, beside django-cors-headers',
  () => {
    let pair: Pair;
    let good: string;

    beforeAll(async () => {
      pair = await startPair({
        env: { DJANGO_CORS_ORIGINS: LISTED.join(' '), DJANGO_CORS_HEADERS: 'x-tenant X-Ward' },
        args: [
          ...LISTED.flatMap((origin) => ['--cors-origin', origin]),
          '--cors-header',
          'X-Tenant',
          '--cors-header',
          'x-ward',
        ],
      });
      const { django } = pair;
      ({ refresh: good } = await django.mint(await django.makeUser()));
    });
    afterAll(() => pair.close());

    const json = { 'content-type': 'application/json' };
    const REQUESTS: [string, () => RequestInit][] = [
      ['a good token', () => ({ method: 'POST', headers: json, body: JSON.stringify({ token: good }) })],
      ['a bad token', () => ({ method: 'POST', headers: json, body: '{"token":"x"}' })],
      ['no token', () => ({ method: 'POST', headers: json, body: '{}' })],
      ['a wrong type', () => ({ method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x' })],
      ['GET', () => ({})],
      ['a preflight', () => ({ method: 'OPTIONS', headers: { 'access-control-request-method': 'POST' } })],
    ];

    it.each(REQUESTS)('%s', async (_, init) => {
      const ask = async (url: string, origin: string | undefined) => {
        const { headers, ...rest } = init();
        const answer = await fetch(`${url}/account/token/verify/`, {
          ...rest,
          headers: { ...(headers as Record<string, string>), ...(origin && { origin }) },
        });
        await answer.text();
        const told = (name: string) => answer.headers.get(`access-control-${name}`);
        return {
          allowed: told('allow-origin'),
          credentials: told('allow-credentials'),
          varies: answer.headers.get('vary')?.toLowerCase().includes('origin'),
          posts: told('allow-methods')?.includes('POST'),
          json: told('allow-headers')?.includes('content-type'),
          readsRetryAfter: told('expose-headers')?.includes('Retry-After'),
        };
      };
      for (const origin of ORIGINS) {
        const [django, ours] = [await ask(pair.django.url, origin), await ask(pair.url, origin)];
        // That package exposes headers in the answer to a preflight as well, where nobody reads them.
        expect([origin, { ...ours, readsRetryAfter: undefined }]).toEqual([
          origin,
          { ...django, readsRetryAfter: undefined },
        ]);
        if (ours.posts === undefined) expect(ours.readsRetryAfter).toBe(django.readsRetryAfter);
        expect(ours.allowed).toBe(origin !== undefined && LISTED.includes(origin) ? origin : null);
      }
    });

    it("the headers that a page may send: its defaults, the site's own, and three that this server and tracing read", async () => {
      const sendable = async (url: string) => {
        const answer = await fetch(`${url}/account/token/refresh/`, {
          method: 'OPTIONS',
          headers: {
            origin: LISTED[0]!,
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'content-type, x-tenant, x-ward',
          },
        });
        return new Set(answer.headers.get('access-control-allow-headers')!.toLowerCase().split(', '));
      };
      const [django, ours] = [await sendable(pair.django.url), await sendable(pair.url)];
      // A page can't set these, so a browser never asks for them (https://fetch.spec.whatwg.org/#forbidden-request-header).
      for (const forbidden of ['accept-encoding', 'dnt', 'origin']) django.delete(forbidden);
      for (const name of ['x-csrftoken', 'x-tenant', 'x-ward']) expect(django).toContain(name);
      for (const name of ['traceparent', 'tracestate', 'x-carelink-rotation']) django.add(name);
      expect([...ours].sort()).toEqual([...django].sort());
    });
  },
);

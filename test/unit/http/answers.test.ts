import { afterEach, describe, expect, it } from 'vitest';
import type { HttpServer } from '../../../src/http/listener.js';
import type { Refusal } from '../../../src/rotation/outcomes.js';
import { post, REFRESH, ROTATED, start, talk, undated } from './server-under-test.js';

const BASE = '/account/token/';
const CLOSING = 'Connection: close\r\n\r\n';

let server: HttpServer | undefined;
afterEach(async () => {
  await server?.close(0);
  server = undefined;
});

/** The whole response, but for its Date. */
function bytes(status: string, body: string, ...more: string[]): string {
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json',
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${body.length}`,
    ...more,
  ];
  return `${head.join('\r\n')}\r\n${CLOSING}${body}`;
}

async function answer(path: string, outcome: object, compat: '5.2' | '5.5' = '5.5'): Promise<string> {
  const given = () => Promise.resolve(outcome as never);
  const started = await start({
    service: { refresh: given, verify: given, logout: given, slide: given },
    compat,
  });
  server = started.server;
  const field = path === 'verify/' || path === 'sliding/refresh/' ? 'token' : 'refresh';
  const text = await talk(started.port, post(BASE + path, `{"${field}":"x"}`, { Connection: 'close' }));
  expect(started.observed).toHaveLength(1);
  expect(started.observed[0]!.durationUs).toBeGreaterThanOrEqual(0);
  return undated(text);
}

const CHALLENGE = 'WWW-Authenticate: Bearer realm="api"';
const refused = (detail: string, error = 'Invalid or expired refresh token.'): string =>
  bytes('401 Unauthorized', JSON.stringify({ detail, code: 'token_not_valid', error }), CHALLENGE);

const REFUSALS: [string, Refusal, Record<'5.2' | '5.5', string>][] = [
  ['a bad signature', { kind: 'invalid', reason: 'invalid' }, { '5.2': refused('Token is invalid or expired'), '5.5': refused('Token is invalid') }],
  ['an expired token', { kind: 'invalid', reason: 'expired' }, { '5.2': refused('Token is invalid or expired'), '5.5': refused('Token is expired') }],
  ['another type', { kind: 'malformed', reason: 'wrong_type' }, both(refused('Token has wrong type'))],
  ['no type', { kind: 'malformed', reason: 'no_type' }, both(refused('Token has no type'))],
  ['no id', { kind: 'malformed', reason: 'no_id' }, both(refused('Token has no id'))],
  ['an inactive user', { kind: 'inactive' }, both(bytes('401 Unauthorized', '{"detail":"No active account found for the given token.","error":"Invalid or expired refresh token."}', CHALLENGE))],
  ['a store that is down', { kind: 'unavailable', retryAfterSeconds: 3 }, both(bytes('503 Service Unavailable', '{"detail":"Token refresh is temporarily unavailable.","error":"Token refresh is temporarily unavailable."}', 'Retry-After: 3'))],
]; // prettier-ignore

function both(text: string): Record<'5.2' | '5.5', string> {
  return { '5.2': text, '5.5': text };
}

describe('what each outcome looks like on the wire', () => {
  it('a rotated token', async () => {
    expect(await answer('refresh/', ROTATED)).toBe(
      bytes(
        '200 OK',
        '{"access":"aaa.bbb.ccc","refresh":"ddd.eee.fff"}',
        'X-Token-Refreshed: true',
        'X-Refresh-Time: 2023-11-14T22:13:20.123Z',
      ),
    );
  });

  it('a refresh in flight', async () => {
    const sentence = 'Token refresh already in progress.';
    expect(await answer('refresh/', { kind: 'in_progress', retryAfterSeconds: 1 })).toBe(
      bytes('429 Too Many Requests', JSON.stringify({ detail: sentence, error: sentence }), 'Retry-After: 1'),
    );
  });

  it('verify, log out and slide that went well', async () => {
    expect(await answer('verify/', { kind: 'valid' })).toBe(bytes('200 OK', '{}'));
    await server!.close(0);
    expect(await answer('blacklist/', { kind: 'logged_out' })).toBe(bytes('200 OK', '{}'));
    await server!.close(0);
    const slid = await answer('sliding/refresh/', { kind: 'slid', token: 'a.b.c' });
    expect(slid).toBe(bytes('200 OK', '{"token":"a.b.c"}'));
  });

  it('a sliding token that may slide no more', async () => {
    const expired = await answer('sliding/refresh/', { kind: 'refresh_expired' });
    expect(expired).toBe(refused("Token 'refresh_exp' claim has expired"));
    await server!.close(0);
    const none = await answer('sliding/refresh/', { kind: 'no_refresh_exp' });
    expect(none).toBe(refused("Token has no 'refresh_exp' claim"));
  });

  it.each(['refresh/', 'blacklist/', 'sliding/refresh/'])('a blacklisted token at %s', async (path) => {
    const told = refused('Token is blacklisted', 'Token is blacklisted.');
    expect(await answer(path, { kind: 'blacklisted' })).toBe(told);
  });

  it('a blacklisted token at verify/: a validation error there', async () => {
    const body = '{"non_field_errors":["Token is blacklisted"],"error":"Token is blacklisted."}';
    expect(await answer('verify/', { kind: 'blacklisted' })).toBe(bytes('400 Bad Request', body));
  });

  describe.each(['refresh/', 'verify/', 'blacklist/', 'sliding/refresh/'])('refused at %s', (path) => {
    it.each(REFUSALS)('%s', async (_name, outcome, told) => {
      expect(await answer(path, outcome, '5.5')).toBe(told['5.5']);
      await server!.close(0);
      expect(await answer(path, outcome, '5.2')).toBe(told['5.2']);
    });
  });

  it('a service that throws: a request id that is in the log too, and nothing of the cause', async () => {
    const secret = 'duplicate key (token)=(eyJhbGciOiJIUzI1NiJ9.e30.secret)';
    const cause = Object.assign(new Error(secret), { code: '23505', detail: secret });
    const started = await start({ service: { refresh: () => Promise.reject(cause) } });
    server = started.server;
    const text = await talk(started.port, post(REFRESH, '{"refresh":"x"}'));
    const body = JSON.parse(text.split('\r\n\r\n')[1]!);
    const sentence = 'Token refresh failed due to server error.';
    expect(text).toMatch(/^HTTP\/1\.1 500 /);
    expect(body).toEqual({ detail: sentence, error: sentence, request_id: expect.any(String) });
    expect(text).toContain(`X-Request-Id: ${body.request_id}\r\n`);
    const line = started.logged.find((candidate) => candidate.includes('request_failed'))!;
    expect(JSON.parse(line)).toMatchObject({ request_id: body.request_id, error_code: '23505' });
    expect(text + started.logged.join('')).not.toContain('secret');
    expect(started.observed[0]!.outcome).toBe('error');
  });
});

describe('what is no request for a token', () => {
  const bad = async (text: string): Promise<string> => {
    const started = await start();
    server = started.server;
    return undated(await talk(started.port, text));
  };
  const told = (status: string, sentence: string, ...more: string[]): string =>
    bytes(status, JSON.stringify({ detail: sentence, error: sentence }), ...more);

  it('404 at the root, with the path that is meant', async () => {
    expect(await bad(post('/', '{}', { Connection: 'close' }))).toBe(
      told('404 Not Found', `Nothing is served at this path. POST a refresh token to ${REFRESH}.`),
    );
  });

  it.each(['/nope', '/account/token', '/account/token//refresh/', '/account/token/refresh/x'])(
    '404 in JSON at %s',
    async (path) => {
      expect(await bad(post(path, '{}', { Connection: 'close' }))).toBe(told('404 Not Found', 'Not found.'));
    },
  );

  it.each(['GET', 'PUT', 'PATCH', 'DELETE', 'TRACE'])('405 for %s, with Allow', async (method) => {
    const text = await bad(`${method} ${REFRESH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    const sentence = `Method "${method}" not allowed.`;
    expect(text).toBe(told('405 Method Not Allowed', sentence, 'Allow: POST, OPTIONS'));
  });

  it('405 for HEAD has no body, and for CONNECT has one', async () => {
    const head = await bad(`HEAD ${REFRESH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(head).toMatch(/^HTTP\/1\.1 405 [\s\S]*\r\n\r\n$/);
    await server!.close(0);
    const connect = await bad('CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(connect).toMatch(/^HTTP\/1\.1 405 [\s\S]*Method \\"CONNECT\\" not allowed/);
  });

  it('OPTIONS describes the view', async () => {
    const text = await bad(`OPTIONS ${REFRESH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*Allow: POST, OPTIONS\r\n/);
    expect(JSON.parse(text.split('\r\n\r\n')[1]!)).toMatchObject({ name: 'Token Refresh' });
  });

  it('HTTP/1.1 without Host, and an expectation nobody knows', async () => {
    const none = await bad(`POST ${REFRESH} HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    expect(none).toBe(told('400 Bad Request', 'Missing Host header.'));
    await server!.close(0);
    const odd = await bad(post(REFRESH, '{}', { Expect: 'a-miracle', Connection: 'close' }));
    expect(odd).toMatch(/^HTTP\/1\.1 417 [\s\S]*"error":/);
  });
});

it('takes a path with or without its last slash, with a query, and in absolute form', async () => {
  const started = await start({ basePath: '/api' });
  server = started.server;
  for (const path of ['/api/refresh', '/api/refresh/', '/api/refresh/?x=/api', 'http://h/api/refresh/']) {
    expect(await talk(started.port, post(path, '{"refresh":"x"}'))).toMatch(/^HTTP\/1\.1 200 OK/);
  }
});

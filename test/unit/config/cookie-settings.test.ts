import { describe, expect, it } from 'vitest';
import type { Flags } from '../../../src/config/resolve.js';
import { serveSettings } from '../../../src/config/serve-settings.js';
import { problemsOf, source } from './source.js';

const settings = (flags: Flags, env: Record<string, string> = {}) => serveSettings(flags, source(env));

const problems = (flags: Flags) => problemsOf(() => settings(flags));

const STYLE = { 'cookie-style': 'dj-rest-auth', 'cookie-name': 'refresh-token' };
const EXACT = { 'cors-origin': ['https://app.example.org'] };

describe('--cookie-style', () => {
  it('is none unless it is asked for, and our own with --refresh-cookie', () => {
    expect(settings({}).http.cookies).toBeUndefined();
    expect(settings({ 'refresh-cookie': true }).http.cookies).toEqual({ style: 'own' });
    expect(settings({ 'cookie-style': 'own' }).http.cookies).toEqual({ style: 'own' });
  });

  it('live until the browser is closed, if that is asked for', () => {
    const until = { 'cookie-lifetime': 'session' };
    expect(settings({ ...until, 'refresh-cookie': true }).http.cookies).toEqual({
      style: 'own',
      untilClosed: true,
    });
    expect(settings({ 'cookie-lifetime': 'token', 'refresh-cookie': true }).http.cookies).toEqual({
      style: 'own',
    });
    const theirs = settings({ ...STYLE, ...until, 'cookie-secure': true });
    expect(theirs.http.cookies).toMatchObject({ untilClosed: true });
    expect(theirs.warnings).toEqual([expect.stringContaining("Those before it are of Django's log-in")]);
    expect(problems(until)).toEqual([
      expect.stringContaining('--cookie-lifetime session needs --refresh-cookie or --cookie-style'),
    ]);
  });

  it("has dj-rest-auth's defaults, and its settings under our names", () => {
    const defaults = {
      style: 'dj-rest-auth', name: 'refresh-token', accessName: undefined, path: '/', domain: undefined,
      sameSite: 'Lax', secure: false, httpOnly: true,
    }; // prettier-ignore
    expect(settings(STYLE).http.cookies).toEqual(defaults);
    const env = {
      CARELINK_COOKIE_STYLE: 'dj-rest-auth',
      CARELINK_COOKIE_NAME: 'r',
      CARELINK_ACCESS_COOKIE_NAME: 'a',
      CARELINK_COOKIE_PATH: '/account',
      CARELINK_COOKIE_DOMAIN: 'example.org',
      CARELINK_COOKIE_SAMESITE: 'none',
      CARELINK_COOKIE_SECURE: 'true',
      CARELINK_COOKIE_HTTPONLY: 'off',
    };
    expect(settings({}, env).http.cookies).toEqual({
      style: 'dj-rest-auth', name: 'r', accessName: 'a', path: '/account', domain: 'example.org',
      sameSite: 'None', secure: true, httpOnly: false,
    }); // prettier-ignore
  });

  it('has a grace of 10 s where tokens are spent, unless another one is given', () => {
    const grace = (flags: Flags): number => settings(flags).rotation.reuseGraceMs;
    expect(grace(STYLE)).toBe(10_000);
    expect(grace({ ...STYLE, rotation: 'offered' })).toBe(10_000);
    expect(grace({ ...STYLE, 'reuse-grace': '0s' })).toBe(0);
    expect(grace({ ...STYLE, 'reuse-grace': '1m' })).toBe(60_000);
    expect(grace({ ...STYLE, rotation: 'off' })).toBe(0);
    expect(grace({ 'cookie-style': 'own' })).toBe(0);
  });

  it.each([
    ['a name is missing', { 'cookie-style': 'dj-rest-auth' }, 'JWT_AUTH_REFRESH_COOKIE'],
    ['both have one name', { ...STYLE, 'access-cookie-name': 'refresh-token' }, 'they must differ'],
    ['SameSite=None is not Secure', { ...STYLE, 'cookie-samesite': 'None' }, '--cookie-secure'],
    ['__Secure- is not Secure', { ...STYLE, 'access-cookie-name': '__Secure-a' }, '--cookie-secure'],
    ['__Host- is not Secure', { ...STYLE, 'cookie-name': '__Host-r' }, '--cookie-secure'],
    ['__Host- has a path', { ...STYLE, 'cookie-name': '__Host-r', 'cookie-secure': true, 'cookie-path': '/account' }, 'for all paths'],
    ['__Host- has a domain', { ...STYLE, 'access-cookie-name': '__host-a', 'cookie-secure': true, 'cookie-domain': 'a.test' }, 'for one host'],
    ['any origin may use them', { ...STYLE, 'cors-origin': ['*'] }, 'without a wildcard'],
    ['a wildcard may', { ...STYLE, 'cors-origin': ['https://*.example.org'] }, 'without a wildcard'],
    ['a demo has them', { ...STYLE, demo: true }, '--demo'],
    ['our own has other origins', { 'cookie-style': 'own', ...EXACT }, 'excludes --cors-origin'],
    ['our own has a name', { 'refresh-cookie': true, 'cookie-name': 'r' }, '--cookie-name needs --cookie-style dj-rest-auth'],
    ['there are none, and they are Secure', { 'cookie-secure': true }, '--cookie-secure needs'],
    ['a name is none', { ...STYLE, 'cookie-name': 'a;b' }, 'the name of a cookie'],
    ['a path has attributes', { ...STYLE, 'cookie-path': '/; Domain=evil.test' }, 'a path such as'],
    ['a domain has attributes', { ...STYLE, 'cookie-domain': 'a.test; Path=/' }, 'a domain such as'],
  ])('is refused where %s', (_, flags, told) => {
    expect(problems(flags)).toEqual([expect.stringContaining(told)]);
  }); // prettier-ignore

  it('takes origins that are named, and __Host- as it should be', () => {
    expect(problems({ ...STYLE, ...EXACT })).toEqual([]);
    expect(
      problems({ ...STYLE, 'cookie-name': '__Host-r', 'access-cookie-name': '__Host-a', 'cookie-secure': true }),
    ).toEqual([]);
  }); // prettier-ignore

  it('warns of cookies that go over http, and of a path that leads past the endpoints', () => {
    expect(settings(STYLE).warnings).toEqual([expect.stringContaining('not Secure')]);
    const secure = { ...STYLE, 'cookie-secure': true };
    for (const path of ['/', '/account', '/account/token', '/account/token/'])
      expect(settings({ ...secure, 'cookie-path': path }).warnings).toEqual([]);
    for (const path of ['/api', '/account/tok', '/account/tokens'])
      expect(settings({ ...secure, 'cookie-path': path }).warnings).toEqual([
        expect.stringContaining('does not lead to /account/token/refresh/'),
        expect.stringContaining('does not lead to /account/token/blacklist/'),
      ]);
    expect(settings({ ...secure, 'cookie-path': '/account/token/refresh/' }).warnings).toEqual([
      expect.stringContaining('/account/token/blacklist/'),
    ]);
  });
});

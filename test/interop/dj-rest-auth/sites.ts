/** Sites with dj-rest-auth, as their settings and as ours have it. */

export interface CookieSite {
  readonly name: string;
  /** REST_AUTH */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Of ROTATE_REFRESH_TOKENS and BLACKLIST_AFTER_ROTATION. */
  readonly rotate: boolean;
  /** For `serve`. */
  readonly args: readonly string[];
  /** Of the refresh token. */
  readonly cookie: string;
}

const STYLE = ['--cookie-style', 'dj-rest-auth'];

export const COOKIE_SITES: readonly CookieSite[] = [
  {
    name: 'its defaults',
    settings: { JWT_AUTH_COOKIE: 'auth', JWT_AUTH_REFRESH_COOKIE: 'refresh-token' },
    rotate: true,
    args: [...STYLE, '--cookie-name', 'refresh-token', '--access-cookie-name', 'auth'],
    cookie: 'refresh-token',
  },
  {
    name: 'pages on another site',
    settings: {
      JWT_AUTH_COOKIE: '__Secure-auth',
      JWT_AUTH_REFRESH_COOKIE: '__Secure-refresh',
      JWT_AUTH_REFRESH_COOKIE_PATH: '/account/token',
      JWT_AUTH_COOKIE_DOMAIN: 'example.org',
      JWT_AUTH_SAMESITE: 'None',
      JWT_AUTH_SECURE: true,
    },
    rotate: true,
    args: [
      ...STYLE, '--cookie-name', '__Secure-refresh', '--access-cookie-name', '__Secure-auth', '--cookie-path', '/account/token',
      '--cookie-domain', 'example.org', '--cookie-samesite', 'None', '--cookie-secure',
    ], // prettier-ignore
    cookie: '__Secure-refresh',
  },
  {
    name: 'scripts may read them',
    settings: {
      JWT_AUTH_COOKIE: 'auth',
      JWT_AUTH_REFRESH_COOKIE: 'refresh-token',
      JWT_AUTH_HTTPONLY: false,
      JWT_AUTH_SAMESITE: 'Strict',
      JWT_AUTH_SECURE: true,
    },
    rotate: true,
    args: [
      ...STYLE, '--cookie-name', 'refresh-token', '--access-cookie-name', 'auth', '--cookie-httponly', 'off',
      '--cookie-samesite', 'Strict', '--cookie-secure',
    ], // prettier-ignore
    cookie: 'refresh-token',
  },
  {
    name: 'no rotation, and no cookie for access tokens',
    settings: { JWT_AUTH_REFRESH_COOKIE: '__Host-refresh', JWT_AUTH_SECURE: true },
    rotate: false,
    args: [...STYLE, '--cookie-name', '__Host-refresh', '--cookie-secure', '--rotation', 'off'],
    cookie: '__Host-refresh',
  },
];

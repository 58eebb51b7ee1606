import type { Resolved } from './resolve.js';
import type { SERVE_OPTIONS } from './serve-options.js';
import type { CookieSettings, EndpointPaths } from './parts.js';

type Options = Pick<Resolved<typeof SERVE_OPTIONS>, 'values' | 'given'>;
type DjRestAuth = Extract<CookieSettings, { style: 'dj-rest-auth' }>;

const OF_DJ_REST_AUTH = [
  'cookie-name', 'access-cookie-name', 'cookie-path', 'cookie-domain', 'cookie-samesite', 'cookie-secure', 'cookie-httponly',
] as const; // prettier-ignore

/** Undefined: tokens travel in bodies. */
export function cookieSettings({ values, given }: Options, problems: string[]): CookieSettings | undefined {
  const style = values['cookie-style'] ?? (values['refresh-cookie'] ? 'own' : undefined);
  const untilClosed = values['cookie-lifetime'] === 'session';
  if (untilClosed && style === undefined)
    problems.push(
      '--cookie-lifetime session needs --refresh-cookie or --cookie-style: there are no cookies.',
    );
  if (style !== 'dj-rest-auth') {
    const astray = OF_DJ_REST_AUTH.flatMap((flag) => given[flag] ?? []);
    if (astray.length > 0)
      problems.push(
        `${astray.join(' and ')} needs --cookie-style dj-rest-auth: our own cookie has no choices.`,
      );
    if (style === 'own' && values['cors-origin'].length > 0)
      problems.push(
        '--refresh-cookie is for pages of the same origin alone: it excludes --cors-origin. Without it tokens travel in bodies; --cookie-style dj-rest-auth takes pages of other origins.',
      );
    return style && { style, ...(untilClosed && { untilClosed }) };
  }
  const name = values['cookie-name'];
  if (name === undefined) {
    // One that is no name was told already.
    if (given['cookie-name'] === undefined)
      problems.push(
        "--cookie-style dj-rest-auth needs --cookie-name: the name in your project's JWT_AUTH_REFRESH_COOKIE.",
      );
    return undefined;
  }
  const settings: DjRestAuth = {
    style,
    name,
    accessName: values['access-cookie-name'],
    path: values['cookie-path'],
    domain: values['cookie-domain'],
    sameSite: values['cookie-samesite'],
    secure: values['cookie-secure'],
    httpOnly: values['cookie-httponly'] === 'on',
    ...(untilClosed && { untilClosed }),
  };
  problems.push(...dropped(settings));
  if (values['cors-origin'].some(({ kind }) => kind !== 'exact'))
    problems.push(
      'With --cookie-style dj-rest-auth pages of a --cors-origin act with the cookies of their visitors: name each origin, without a wildcard.',
    );
  if (values.demo)
    problems.push('The page of --demo has tokens in bodies, or in our own cookie: leave --cookie-style out.');
  return settings;
}

/** What browsers would drop without a word. */
function dropped({ name, accessName, path, domain, sameSite, secure }: DjRestAuth): string[] {
  const problems: string[] = [];
  if (name === accessName)
    problems.push(`--cookie-name and --access-cookie-name are both ${name}; they must differ.`);
  if (sameSite === 'None' && !secure)
    problems.push('Browsers drop a cookie with SameSite=None that is not Secure: add --cookie-secure.');
  for (const [one, itsPath] of [
    [name, path],
    [accessName, '/'],
  ] as const) {
    // prettier-ignore
    if (/^__Secure-/i.test(one ?? '') && !secure)
      problems.push(`Browsers drop a cookie named ${one} that is not Secure: add --cookie-secure.`);
    if (/^__Host-/i.test(one ?? '') && (!secure || domain !== undefined || itsPath !== '/'))
      problems.push(
        `Browsers drop a cookie named ${one} unless it is Secure, for one host and for all paths: add --cookie-secure, and leave --cookie-domain and --cookie-path out.`,
      );
  }
  return problems;
}

/** What works, and may not be meant. */
export function cookieWarnings(cookies: CookieSettings | undefined, paths: EndpointPaths): string[] {
  if (cookies?.style !== 'dj-rest-auth') return [];
  const warnings: string[] = [];
  if (!cookies.secure)
    warnings.push(
      'Cookies with tokens are not Secure: browsers send them over http, too. Where your pages are on https, give --cookie-secure.',
    );
  if (cookies.untilClosed)
    warnings.push(
      "--cookie-lifetime session is about the cookies of a refresh. Those before it are of Django's log-in, and outlast the browser unless that leaves out their end as well.",
    );
  for (const [endpoint, what] of [
    ['refresh', 'refreshed'],
    ['blacklist', 'logged out'],
  ] as const) {
    if (!covers(cookies.path, paths[endpoint]))
      warnings.push(
        `The refresh cookie's path ${cookies.path} does not lead to ${paths[endpoint]}/: unless a proxy changes paths, browsers will not send it there, and nobody can be ${what} by cookie. Set --cookie-path, and JWT_AUTH_REFRESH_COOKIE_PATH, to what both have in common.`,
      );
  }
  return warnings;
}

/** RFC 6265, 5.1.4. */
function covers(cookiePath: string, path: string): boolean {
  const request = `${path}/`;
  if (!request.startsWith(cookiePath)) return false;
  return cookiePath.endsWith('/') || request.charAt(cookiePath.length) === '/';
}

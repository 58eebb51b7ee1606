import type { CorsFacts } from './facts.js';
import { mounted, type Site } from './site.js';
import { cannot, differs, kept, same, spoken, type Row, type ServeFlag } from './verdict.js';

/** Headers that pages may send without --cors-header: those of django-cors-headers, in all its releases. */
const USUAL_HEADERS = new Set([
  'accept', 'accept-encoding', 'authorization', 'content-type', 'dnt', 'origin', 'user-agent', 'x-csrftoken', 'x-requested-with',
]); // prettier-ignore

/** What django-cors-headers lets pages of other origins do. */
export function corsRows(site: Site): Row[] {
  const { cors } = site.facts;
  if (cors === null) return [];
  if (cors === undefined) return [same('CORS', '(not used)', 'Pages of other origins read no answers.')];
  if (!applies(site, cors))
    return [same('CORS_URLS_REGEX', cors.urls, 'It leaves the token endpoints out, so nothing is allowed.')];
  const cookies = site.facts.dj_rest_auth?.get('JWT_AUTH_REFRESH_COOKIE') != null;
  const rows = [originRow(cors, cookies)];
  if (cors.patterns.length > 0)
    rows.push(
      cannot(
        'CORS_ALLOWED_ORIGIN_REGEXES',
        cors.patterns,
        'Name the origins that it means with --cors-origin, or as https://*.example.org.',
      ),
    );
  rows.push(headerRow(cors));
  if (cors.credentials)
    rows.push(
      cookies
        ? same('CORS_ALLOW_CREDENTIALS', true, 'Origins that are named may send cookies.')
        : differs(
            'CORS_ALLOW_CREDENTIALS',
            true,
            "Tokens travel in bodies, so credentials are not allowed. A page that fetches with credentials: 'include' is refused by its browser: let it leave that out.",
          ),
    );
  if (cors.private_network) rows.push(cannot('CORS_ALLOW_PRIVATE_NETWORK', true, 'It is not answered here.'));
  if (cors.receivers > 0)
    rows.push(
      cannot(
        'check_request_enabled',
        `${cors.receivers} receivers`,
        'Their Python is not run here. Name the origins with --cors-origin.',
      ),
    );
  return rows;
}

/** Whether the middleware looks at the refresh path at all. Python's pattern, which mostly is one here, too. */
function applies(site: Site, { urls }: CorsFacts): boolean {
  const [view] = mounted(site, 'refresh');
  if (typeof urls !== 'string' || view === undefined) return true;
  try {
    // `re.match` begins at the beginning.
    return new RegExp(`^(?:${urls})`).test(view.path);
  } catch {
    return true;
  }
}

function originRow({ all_origins, origins }: CorsFacts, cookies: boolean): Row {
  const setting = all_origins ? 'CORS_ALLOW_ALL_ORIGINS' : 'CORS_ALLOWED_ORIGINS';
  const told = all_origins ? true : origins;
  if (all_origins && cookies)
    return cannot(
      setting,
      told,
      'Pages of every origin would act with the cookies of their visitors. Name the origins with --cors-origin.',
    );
  if (!all_origins && origins.length === 0) return same(setting, told, 'None.');
  const list = all_origins ? '*' : origins.map((origin) => spoken(origin).toLowerCase()).join(',');
  return kept(setting, told, { 'cors-origin': list }, 'Their pages read answers, errors too.');
}

function headerRow({ headers, all_origins, origins, patterns }: CorsFacts): Row {
  const setting = 'CORS_ALLOW_HEADERS';
  const own = headers
    .map((header) => spoken(header).toLowerCase())
    .filter((header) => !USUAL_HEADERS.has(header));
  const allowed = all_origins || origins.length > 0;
  if (own.length === 0) return same(setting, '(the usual ones)', 'Pages may send them here.');
  if (!allowed && patterns.length === 0) return same(setting, own, 'No origin may send them.');
  // Without an origin the option is refused; the patterns are a `cannot` already.
  if (!allowed) return cannot(setting, own, 'Give them with --cors-header beside --cors-origin.');
  return kept(setting, own, { 'cors-header': own.join(',') }, 'Pages may send them.');
}

const COOKIE_FLAGS = [
  ['JWT_AUTH_REFRESH_COOKIE', 'cookie-name'],
  ['JWT_AUTH_COOKIE', 'access-cookie-name'],
  ['JWT_AUTH_REFRESH_COOKIE_PATH', 'cookie-path'],
  ['JWT_AUTH_COOKIE_DOMAIN', 'cookie-domain'],
  ['JWT_AUTH_SAMESITE', 'cookie-samesite'],
  ['JWT_AUTH_SECURE', 'cookie-secure'],
  ['JWT_AUTH_HTTPONLY', 'cookie-httponly'],
] as const satisfies readonly (readonly [string, ServeFlag])[];

/** dj-rest-auth's cookies, where its refresh view is the one that goes over. */
export function djRestAuthRows(site: Site): Row[] {
  const dj = site.facts.dj_rest_auth;
  if (dj?.get('installed') !== true) return [];
  const taken = mounted(site, 'refresh').some(({ view }) => view.startsWith('dj_rest_auth.'));
  if (!taken) return [same('dj-rest-auth', 'installed', 'Its refresh view is not mounted.')];
  const refreshCookie = dj.get('JWT_AUTH_REFRESH_COOKIE');
  if (refreshCookie === null)
    return [
      cannot(
        'JWT_AUTH_REFRESH_COOKIE',
        null,
        'Tokens travel in bodies. Its answer has access_expiration as well, which this server adds with its cookies only.',
      ),
    ];
  const rows = COOKIE_FLAGS.flatMap(([setting, flag]) => {
    const value = dj.get(setting);
    if (value === null || value === undefined) return [same(setting, value, 'None.')];
    const text =
      flag === 'cookie-httponly'
        ? value === true
          ? 'on'
          : 'off'
        : typeof value === 'boolean'
          ? String(value)
          : spoken(value);
    const style = flag === 'cookie-name' ? { 'cookie-style': 'dj-rest-auth' } : {};
    return [kept(setting, value, { ...style, [flag]: text }, 'The cookies are the same.')];
  });
  return [
    ...rows,
    differs(
      'dj-rest-auth',
      'cookies',
      'Tabs share one cookie, so for 10 s a repeat gets the same pair again (--reuse-grace).',
    ),
    differs(
      'dj-rest-auth',
      'origins',
      'A page of another origin gets 403 unless --cors-origin names it. dj-rest-auth takes a body from anywhere.',
    ),
  ];
}

import { SERVE_OPTIONS } from '../config/serve-options.js';
import { mounted, type Site } from './site.js';
import { cannot, differs, kept, type Row, type ServeFlag } from './verdict.js';

interface Endpoint {
  readonly name: string;
  readonly flag: ServeFlag;
  /** Below --base-path. */
  readonly usual: string;
}

export const ENDPOINTS: readonly Endpoint[] = [
  { name: 'refresh', flag: 'refresh-path', usual: '/refresh' },
  { name: 'verify', flag: 'verify-path', usual: '/verify' },
  { name: 'blacklist', flag: 'blacklist-path', usual: '/blacklist' },
  { name: 'sliding', flag: 'sliding-path', usual: '/sliding/refresh' },
];

/** Which path each endpoint has: by one base path as far as it goes, else by a path of its own. */
export function pathRows(site: Site): Row[] {
  const places = ENDPOINTS.map((endpoint) => ({ endpoint, views: viewsOf(site, endpoint.name) }));
  const refresh = places[0]?.views[0];
  if (refresh === undefined)
    return [
      cannot(
        'refresh view',
        '(none)',
        'No view of simplejwt refreshes tokens here, so there is nothing to take over.',
      ),
    ];
  const base = baseOf(site, refresh.path);
  const rows = places.flatMap(({ endpoint, views: [view, ...more] }) => {
    if (view === undefined) return [];
    const path = fullPath(site, view.path);
    const setting = `path of ${endpoint.name}`;
    if (view.varies)
      return [cannot(setting, view.path, 'Parts of the path vary. Let your proxy rewrite it to one path.')];
    const own = path === `${base}${endpoint.usual}` ? {} : { [endpoint.flag]: path === '' ? '/' : path };
    const options = {
      ...(endpoint.name === 'refresh' && base !== DEFAULT_BASE
        ? { 'base-path': base === '' ? '/' : base }
        : {}),
      ...own,
    };
    return [
      kept(setting, view.path, options, 'With and without the last slash.'),
      ...more.map((other) =>
        cannot(
          `${setting} (again)`,
          other.path,
          `Only ${view.path} is answered here. Let your proxy rewrite the other one.`,
        ),
      ),
    ];
  });
  const missing = places
    .filter(({ views }) => views.length === 0)
    .map(({ endpoint }) => `${base}${endpoint.usual}/`);
  const log_out = logOutRows(site);
  return missing.length === 0
    ? [...rows, ...log_out]
    : [
        ...rows,
        ...log_out,
        differs(
          'paths',
          '(not mounted)',
          `Django has nothing at ${missing.join(', ')}; this server answers there. Do not send it these paths.`,
        ),
      ];
}

const DEFAULT_BASE: string = SERVE_OPTIONS['base-path'].absent;

/** dj-rest-auth's log-out is one where it is about tokens alone. */
function viewsOf(site: Site, kind: string) {
  const views = mounted(site, kind);
  return kind === 'blacklist' && views.length === 0 && logsOutTokens(site) ? mounted(site, 'logout') : views;
}

function logsOutTokens({ facts }: Site): boolean {
  const dj = facts.dj_rest_auth;
  return (
    dj?.get('USE_JWT') === true &&
    dj.get('SESSION_LOGIN') === false &&
    dj.get('TOKEN_MODEL') === null &&
    facts.token_blacklist?.installed === true
  );
}

function logOutRows(site: Site): Row[] {
  const taken = mounted(site, 'blacklist').length === 0 && logsOutTokens(site);
  const readable = site.facts.dj_rest_auth?.get('JWT_AUTH_HTTPONLY') === false;
  const also = readable
    ? 'Where a body has no token, that of the cookie is logged out.'
    : 'Where no cookie comes, the token of a body is logged out.';
  const means = taken
    ? `A token that is no good any more is refused in the words of a refresh, with \`code\`. ${also}`
    : 'It ends more than a token (a Django session, or a token of another kind). Leave it at Django.';
  return mounted(site, 'logout').map(({ path }) => differs('log-out', path, means));
}

/** What the refresh view's path begins with; the default where it doesn't end as ours does. */
function baseOf(site: Site, path: string): string {
  const [, base] = /^(.*)\/refresh$/.exec(fullPath(site, path)) ?? [];
  return base ?? DEFAULT_BASE;
}

/** With what a proxy sees in front of it, and without a slash at its end. */
function fullPath({ facts }: Site, path: string): string {
  const prefix = typeof facts.site?.script_name === 'string' ? facts.site.script_name : '';
  return `${prefix.replace(/\/$/, '')}${path}`.replace(/\/$/, '');
}

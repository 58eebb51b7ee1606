import type { TokenService } from '../rotation/outcomes.js';
import type { CookieStyle } from './cookies/style.js';
import { blacklistRoute } from './handlers/blacklist.js';
import type { Door } from './door.js';
import { refreshRoute } from './handlers/refresh.js';
import { slidingRefreshRoute } from './handlers/sliding-refresh.js';
import { verifyRoute } from './handlers/verify.js';
import { json, refusals, type Reply } from './respond.js';
import type { TokenRoute } from './route.js';
import type { SimplejwtCompat } from './simplejwt-texts.js';

/** Where each of the four is, without a slash at its end: `/account/token/refresh`. */
export interface EndpointPaths {
  readonly refresh: string;
  readonly verify: string;
  readonly blacklist: string;
  readonly sliding: string;
}

/** Every path that is answered, with and without its last slash. One look-up finds a request's route. */
export function tokenRoutes(
  service: TokenService,
  paths: EndpointPaths,
  options: { readonly compat: SimplejwtCompat; readonly slidingEnd: string },
  cookies?: CookieStyle,
  door?: Door,
): ReadonlyMap<string, TokenRoute> {
  const refused = refusals(options, door && (() => door.retryAfterSeconds()));
  const routes = new Map<string, TokenRoute>();
  const add = (path: string, route: TokenRoute): void => {
    routes.set(path, route);
    routes.set(`${path}/`, route);
  };
  add(paths.refresh, refreshRoute(service, refused, cookies));
  add(paths.verify, verifyRoute(service, refused));
  add(paths.blacklist, blacklistRoute(service, refused, cookies));
  add(paths.sliding, slidingRefreshRoute(service, refused));
  return routes;
}

/** The path of a request's target: origin-form as a rule, absolute-form as RFC 9112 (3.2.2) asks to be taken. */
export function pathOf(target: string): string {
  if (!target.startsWith('/')) return URL.canParse(target) ? new URL(target).pathname : target;
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}

/** What DRF tells of a view, short of its prose. */
export function optionsOf(route: TokenRoute): Reply {
  const body = {
    name: route.title,
    renders: ['application/json'],
    parses: ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'],
    actions: { POST: { [route.field]: { type: 'string', required: true, read_only: false } } },
  };
  return json(200, body, 'valid', 'Allow', 'POST, OPTIONS');
}

import type { IncomingHttpHeaders } from 'node:http';
import { tokenInBody } from '../http/body.js';
import type { CookieStyle } from '../http/cookies/style.js';
import type { Cors } from '../http/cors.js';
import { blacklistRoute } from '../http/handlers/blacklist.js';
import { refreshRoute } from '../http/handlers/refresh.js';
import { slidingRefreshRoute } from '../http/handlers/sliding-refresh.js';
import { verifyRoute } from '../http/handlers/verify.js';
import { methodNotAllowed, type Refusals, type Reply } from '../http/respond.js';
import type { TokenRoute } from '../http/route.js';
import { optionsOf } from '../http/routes.js';
import type { RouteName } from '../observe/requests.js';
import type { TokenService } from '../rotation/outcomes.js';
import { answerOf, type OurAnswer } from './answer.js';

/** What answers are made of beside tokens: the same parts as those of a server that answers itself. */
export interface ExpectedParts {
  readonly refusals: Refusals;
  readonly cors: Cors | undefined;
  readonly cookies: CookieStyle | undefined;
}

export interface Presented {
  readonly route: RouteName;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What this server would answer: by the code that answers where it is no shadow, over a service that only previews. */
export async function expected(
  { route: name, method, headers, body }: Presented,
  service: TokenService,
  { refusals, cors, cookies }: ExpectedParts,
): Promise<OurAnswer> {
  const told: string[] = [];
  const tell = { setHeader: (header: string, value: unknown) => void told.push(header, String(value)) };
  const preflight = cors?.begin({ method, headers }, tell);
  const answer = (reply: Reply, token?: string): OurAnswer => ({
    ...answerOf(reply.status, [...told, ...reply.headers], reply.body),
    cookies: reply.cookies ?? [],
    outcome: reply.outcome,
    token,
  });
  if (preflight !== undefined) return answer(preflight);
  const route = routeOf(name, service, refusals, cookies);
  if (method === 'OPTIONS') return answer(optionsOf(route));
  if (method !== 'POST') return answer(methodNotAllowed(method));
  const inBody = (absent?: string | Reply) => tokenInBody(headers['content-type'], body, route.field, absent);
  const token = await (cookies === undefined
    ? inBody()
    : cookies.find({ route: name, headers, hasBody: body.length > 0, inBody }));
  return typeof token === 'string' ? answer(await route.handle(token, headers), token) : answer(token);
}

function routeOf(
  name: RouteName,
  service: TokenService,
  refusals: Refusals,
  cookies: CookieStyle | undefined,
): TokenRoute {
  switch (name) {
    case 'refresh':
      return refreshRoute(service, refusals, cookies);
    case 'verify':
      return verifyRoute(service, refusals);
    case 'blacklist':
      return blacklistRoute(service, refusals, cookies);
    case 'sliding_refresh':
      return slidingRefreshRoute(service, refusals);
  }
}

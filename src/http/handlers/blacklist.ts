import type { TokenService } from '../../rotation/outcomes.js';
import type { CookieStyle } from '../cookies/style.js';
import { json, type Refusals } from '../respond.js';
import type { TokenRoute } from '../route.js';

/** POST blacklist/: logs a refresh token out, with all that was rotated from it. */
export function blacklistRoute(service: TokenService, refusals: Refusals, cookies?: CookieStyle): TokenRoute {
  const loggedOut = cookies?.loggedOut ?? json(200, {}, 'logged_out');
  return {
    name: 'blacklist',
    title: 'Token Blacklist',
    field: 'refresh',
    async handle(token, headers, span) {
      const outcome = await service.logout(token, span);
      const reply = outcome.kind === 'logged_out' ? loggedOut : refusals.of(outcome);
      // Whoever wants out is out, whatever became of the token; only a log-out that is to be repeated needs it.
      if (cookies === undefined || outcome.kind === 'unavailable') return reply;
      return reply.with(cookies.clear(headers));
    },
  };
}

import type { TokenService } from '../../rotation/outcomes.js';
import type { RefreshCookie } from '../refresh-cookie.js';
import { json, Reply, type Refusals } from '../respond.js';
import type { TokenRoute } from '../route.js';

/** POST blacklist/: logs a refresh token out, with all that was rotated from it. */
export function blacklistRoute(
  service: TokenService,
  refusals: Refusals,
  cookie?: RefreshCookie,
): TokenRoute {
  const loggedOut = json(200, {}, 'logged_out');
  return {
    name: 'blacklist',
    title: 'Token Blacklist',
    field: 'refresh',
    cookie,
    async handle(token, headers, span) {
      const outcome = await service.logout(token, span);
      const reply = outcome.kind === 'logged_out' ? loggedOut : refusals.of(outcome);
      // Whoever wants out is out, whatever became of the token; only a log-out that is to be repeated needs it.
      if (cookie === undefined || outcome.kind === 'unavailable') return reply;
      return new Reply(reply.status, [...reply.headers, ...cookie.clear(headers)], reply.body, reply.outcome);
    },
  };
}

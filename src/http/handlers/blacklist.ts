import type { TokenService } from '../../rotation/outcomes.js';
import { json, type Refusals } from '../respond.js';
import type { TokenRoute } from '../route.js';

/** POST blacklist/: logs a refresh token out, with all that was rotated from it. */
export function blacklistRoute(service: TokenService, refusals: Refusals): TokenRoute {
  const loggedOut = json(200, {}, 'logged_out');
  return {
    name: 'blacklist',
    title: 'Token Blacklist',
    field: 'refresh',
    async handle(token) {
      const outcome = await service.logout(token);
      return outcome.kind === 'logged_out' ? loggedOut : refusals.of(outcome);
    },
  };
}

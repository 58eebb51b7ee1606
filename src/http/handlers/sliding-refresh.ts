import type { TokenService } from '../../rotation/outcomes.js';
import { json, type Refusals } from '../respond.js';
import type { TokenRoute } from '../route.js';

/** POST sliding/refresh/: the same sliding token with a later exp. */
export function slidingRefreshRoute(service: TokenService, refusals: Refusals): TokenRoute {
  return {
    name: 'sliding_refresh',
    title: 'Token Refresh Sliding',
    field: 'token',
    async handle(token, _headers, span) {
      const outcome = await service.slide(token, span);
      switch (outcome.kind) {
        case 'slid':
          return json(200, { token: outcome.token }, 'slid');
        case 'refresh_expired':
          return refusals.refreshExpired;
        case 'no_refresh_exp':
          return refusals.noRefreshExp;
        default:
          return refusals.of(outcome);
      }
    },
  };
}

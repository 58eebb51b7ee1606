import type { TokenService } from '../../rotation/outcomes.js';
import { json, type Refusals } from '../respond.js';
import type { TokenRoute } from '../route.js';

/** POST verify/: whether a token of any type is good. */
export function verifyRoute(service: TokenService, refusals: Refusals): TokenRoute {
  const valid = json(200, {}, 'valid');
  return {
    name: 'verify',
    title: 'Token Verify',
    field: 'token',
    async handle(token, _headers, span) {
      const outcome = await service.verify(token, span);
      switch (outcome.kind) {
        case 'valid':
          return valid;
        case 'blacklisted':
          return refusals.verifyBlacklisted;
        default:
          return refusals.of(outcome);
      }
    },
  };
}

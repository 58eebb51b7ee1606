import type { RefreshOutcome, TokenService } from '../../rotation/outcomes.js';
import { inProgress, Reply, SAFE_HEADERS, type Refusals } from '../respond.js';
import type { TokenRoute } from '../route.js';

type Rotated = Extract<RefreshOutcome, { kind: 'rotated' }>;

/** POST refresh/: spends a refresh token and answers with the next pair. */
export function refreshRoute(service: TokenService, refusals: Refusals): TokenRoute {
  return {
    name: 'refresh',
    title: 'Token Refresh',
    field: 'refresh',
    async handle(token) {
      const outcome = await service.refresh(token);
      switch (outcome.kind) {
        case 'rotated':
          return pair(outcome);
        case 'in_progress':
          return inProgress(outcome.retryAfterSeconds);
        default:
          return refusals.of(outcome);
      }
    },
  };
}

function pair(rotated: Rotated): Reply {
  // Compact JWTs are base64url and dots: nothing to escape in JSON, and as many bytes as characters.
  const body = `{"access":"${rotated.access}","refresh":"${rotated.refresh}"}`;
  const headers = [
    ...SAFE_HEADERS,
    'Content-Length', String(body.length),
    'X-Token-Refreshed', 'true',
    'X-Refresh-Time', new Date(rotated.claimedAtUs / 1000).toISOString(),
  ]; // prettier-ignore
  return new Reply(200, headers, body, rotated.replayed ? 'replayed' : 'rotated');
}

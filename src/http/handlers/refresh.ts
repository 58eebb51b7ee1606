import type { RefreshOutcome, TokenService } from '../../rotation/outcomes.js';
import type { RefreshCookie } from '../refresh-cookie.js';
import { inProgress, Reply, SAFE_HEADERS, type Refusals } from '../respond.js';
import type { TokenRoute } from '../route.js';

type Rotated = Extract<RefreshOutcome, { kind: 'rotated' }>;

/** POST refresh/: spends a refresh token and answers with the next pair. */
export function refreshRoute(service: TokenService, refusals: Refusals, cookie?: RefreshCookie): TokenRoute {
  return {
    name: 'refresh',
    title: 'Token Refresh',
    field: 'refresh',
    cookie,
    async handle(token, headers) {
      const outcome = await service.refresh(token);
      switch (outcome.kind) {
        case 'rotated':
          return cookie === undefined
            ? pair(outcome, `{"access":"${outcome.access}","refresh":"${outcome.refresh}"}`)
            : pair(outcome, `{"access":"${outcome.access}"}`, cookie.set(headers, outcome.refresh));
        case 'in_progress':
          return inProgress(outcome.retryAfterSeconds);
        default:
          // A cookie stays: this 401 may have lost a race, and the winner's cookie is already there.
          return refusals.of(outcome);
      }
    },
  };
}

/** Compact JWTs are base64url and dots: nothing to escape in JSON, and as many bytes as characters. */
function pair(rotated: Rotated, body: string, more: readonly string[] = []): Reply {
  const headers = [
    ...SAFE_HEADERS,
    'Content-Length', String(body.length),
    'X-Token-Refreshed', 'true',
    'X-Refresh-Time', new Date(rotated.claimedAtUs / 1000).toISOString(),
    ...more,
  ]; // prettier-ignore
  return new Reply(200, headers, body, rotated.replayed ? 'replayed' : 'rotated');
}

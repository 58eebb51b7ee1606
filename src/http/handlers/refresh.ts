import type { RefreshOutcome, TokenService } from '../../rotation/outcomes.js';
import type { RequestOutcome } from '../../observe/requests.js';
import type { RefreshCookie } from '../refresh-cookie.js';
import { inProgress, Reply, SAFE_HEADERS, throttled, type Refusals } from '../respond.js';
import type { TokenRoute } from '../route.js';

type Rotated = Extract<RefreshOutcome, { kind: 'rotated' }>;
type Reissued = Extract<RefreshOutcome, { kind: 'reissued' }>;

/** By it a client says that it keeps the refresh token of an answer (`--rotation offered`). */
const OFFER_HEADER = 'x-carelink-rotation';

/** POST refresh/: answers a refresh token with the next pair, or with an access token, as the policy has it. */
export function refreshRoute(service: TokenService, refusals: Refusals, cookie?: RefreshCookie): TokenRoute {
  return {
    name: 'refresh',
    title: 'Token Refresh',
    field: 'refresh',
    cookie,
    async handle(token, headers, span) {
      // A cookie is kept by the browser.
      const accepts = cookie !== undefined || headers[OFFER_HEADER] === 'accepted';
      const outcome = await service.refresh(token, accepts, span);
      switch (outcome.kind) {
        case 'rotated':
          return cookie === undefined
            ? pair(outcome, `{"access":"${outcome.access}","refresh":"${outcome.refresh}"}`)
            : pair(
                outcome,
                `{"access":"${outcome.access}"}`,
                cookie.set(headers, outcome.refresh, outcome.refreshExpiresAtSeconds, answeredAtUs(outcome)),
              );
        case 'reissued':
          return cookie === undefined
            ? answer(outcome.issuedAtUs, bodyOf(outcome), 'reissued')
            : answer(
                outcome.issuedAtUs,
                `{"access":"${outcome.access}"}`,
                'reissued',
                // The one that came may be in no cookie yet: it is that of a log-in.
                cookie.set(
                  headers,
                  outcome.refresh ?? token,
                  outcome.refreshExpiresAtSeconds,
                  outcome.issuedAtUs,
                ),
              );
        case 'in_progress':
          return inProgress(outcome.retryAfterSeconds);
        case 'throttled':
          return throttled(outcome.waitMs);
        default:
          // A cookie stays: this 401 may have lost a race, and the winner's cookie is already there.
          return refusals.of(outcome);
      }
    },
  };
}

/** A repeat comes later than its claim. */
function answeredAtUs({ replayed, claimedAtUs }: Rotated): number {
  return replayed ? Date.now() * 1000 : claimedAtUs;
}

/** Compact JWTs are base64url and dots: nothing to escape in JSON, and as many bytes as characters. */
function bodyOf({ access, refresh }: Reissued): string {
  return refresh === undefined ? `{"access":"${access}"}` : `{"access":"${access}","refresh":"${refresh}"}`;
}

function pair(rotated: Rotated, body: string, more?: readonly string[]): Reply {
  return answer(rotated.claimedAtUs, body, rotated.replayed ? 'replayed' : 'rotated', more);
}

function answer(atUs: number, body: string, outcome: RequestOutcome, more: readonly string[] = []): Reply {
  const headers = [
    ...SAFE_HEADERS,
    'Content-Length', String(body.length),
    'X-Token-Refreshed', 'true',
    'X-Refresh-Time', new Date(atUs / 1000).toISOString(),
    ...more,
  ]; // prettier-ignore
  return new Reply(200, headers, body, outcome);
}

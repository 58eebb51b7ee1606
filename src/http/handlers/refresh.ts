import type { RefreshOutcome, TokenService } from '../../rotation/outcomes.js';
import type { CookieStyle, Handed } from '../cookies/style.js';
import {
  cookieTooLarge,
  forbidden,
  inProgress,
  Reply,
  SAFE_HEADERS,
  sessionEnds,
  throttled,
  type Refusals,
} from '../respond.js';
import type { TokenRoute } from '../route.js';

type Rotated = Extract<RefreshOutcome, { kind: 'rotated' }>;
type Reissued = Extract<RefreshOutcome, { kind: 'reissued' }>;

/** By it a client says that it keeps the refresh token of an answer (`--rotation offered`). */
const OFFER_HEADER = 'x-carelink-rotation';

/** By it our client asks for a cookie (`storage: 'cookie'`). */
const SESSION_HEADER = 'x-carelink-session';

/** POST refresh/: answers a refresh token with the next pair, or with an access token, as the policy has it. */
export function refreshRoute(service: TokenService, refusals: Refusals, cookies?: CookieStyle): TokenRoute {
  return {
    name: 'refresh',
    title: 'Token Refresh',
    field: 'refresh',
    async handle(token, headers, span) {
      // In the cookie that it counts on there would be no token, and the one in its hands would be spent.
      if (cookies === undefined && headers[SESSION_HEADER] !== undefined)
        return forbidden('No cookie can be had here: start this server with --refresh-cookie.');
      // A cookie is kept by the browser.
      const accepts = cookies !== undefined || headers[OFFER_HEADER] === 'accepted';
      const outcome = await service.refresh(token, accepts, span);
      switch (outcome.kind) {
        case 'rotated':
        case 'reissued':
          return granted(
            outcome,
            cookies?.hand(headers, { presented: token, atUs: answeredAtUs(outcome), ...outcome }),
          );
        case 'in_progress':
          return inProgress(outcome.retryAfterSeconds);
        case 'throttled':
          return throttled(outcome.waitMs);
        case 'too_large':
          return cookieTooLarge('refresh', outcome.bytes, outcome.mostBytes);
        default:
          // A cookie stays: this 401 may have lost a race, and the winner's cookie is already there.
          return refusals.of(outcome);
      }
    },
  };
}

/** A repeat comes later than its claim. */
function answeredAtUs(outcome: Rotated | Reissued): number {
  if (outcome.kind === 'reissued') return outcome.issuedAtUs;
  return outcome.replayed ? Date.now() * 1000 : outcome.claimedAtUs;
}

function granted(outcome: Rotated | Reissued, handed: Handed | Reply | undefined): Reply {
  if (handed instanceof Reply) return handed;
  const rotated = outcome.kind === 'rotated';
  const body = handed?.body ?? bodyOf(outcome);
  const headers = [
    ...SAFE_HEADERS,
    'Content-Length', String(body.length),
    'X-Token-Refreshed', 'true',
    'X-Refresh-Time', new Date((rotated ? outcome.claimedAtUs : outcome.issuedAtUs) / 1000).toISOString(),
    ...(handed?.headers ?? earlyEnd(outcome)),
  ]; // prettier-ignore
  const kind = rotated && outcome.replayed ? 'replayed' : outcome.kind;
  return new Reply(200, headers, body, kind, handed?.cookies);
}

/** Where no one can read in the token that the client keeps when its session ends. */
function earlyEnd(outcome: Rotated | Reissued): readonly string[] {
  return outcome.kind === 'reissued' && outcome.endsEarly ? sessionEnds(outcome.refreshExpiresAtSeconds) : [];
}

/** Compact JWTs are base64url and dots: nothing to escape in JSON, and as many bytes as characters. */
function bodyOf({ access, refresh }: Rotated | Reissued): string {
  return refresh === undefined ? `{"access":"${access}"}` : `{"access":"${access}","refresh":"${refresh}"}`;
}

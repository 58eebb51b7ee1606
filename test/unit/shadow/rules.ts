import type { Answer, OurAnswer } from '../../../src/shadow/answer.js';
import type { Request, Rules } from '../../../src/shadow/rules.js';
import { NO_ADDED_CLAIMS } from '../../../src/rotation/policy.js';

export const NOW = 1_790_000_000;

export const RULES: Rules = {
  algorithm: 'HS256',
  issuer: undefined,
  audience: [],
  compat: '5.5',
  cookies: undefined,
  throttles: false,
  maxTokenBytes: 8192,
  hasFreshClaims: false,
  settings: {
    names: { jti: 'jti', tokenType: 'token_type', userId: 'user_id', slidingEnd: 'refresh_exp' },
    rotation: 'on',
    tokenTables: true,
    verifyBlacklist: true,
    graceUs: 0,
    onReuse: 'reject',
    requestTimeoutMs: 5_000,
    accessLifetimeSeconds: 900,
    refreshLifetimeSeconds: 43_200,
    slidingLifetimeSeconds: 900,
    leewaySeconds: 0,
    addedClaims: NO_ADDED_CLAIMS,
    tellsStart: false,
  },
};

export const REQUEST: Request = {
  route: 'refresh',
  method: 'POST',
  path: '/account/token/refresh/',
  origin: undefined,
  requestHeaders: [],
  isPreflight: false,
  fromSeconds: NOW,
  toSeconds: NOW + 0.01,
};

export function answer(
  status: number,
  json: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { status, json, headers: new Map(Object.entries(headers)), cookies: [] };
}

const OUTCOMES = {
  blacklisted: [401, 'Token is blacklisted', 'token_not_valid'],
  inactive: [401, 'No active account found for the given token.', undefined],
  expired: [401, 'Token is expired', 'token_not_valid'],
  invalid: [401, 'Token is invalid', 'token_not_valid'],
} as const;

/** A refusal as simplejwt 5.5 says it. */
export function refusal(outcome: keyof typeof OUTCOMES): Answer {
  const [status, detail, code] = OUTCOMES[outcome];
  return answer(status, code === undefined ? { detail } : { detail, code }, {
    'www-authenticate': 'Bearer realm="api"',
  });
}

/** The same of ours, with the sentence that is ours alone. */
export function ourRefusal(outcome: keyof typeof OUTCOMES, token?: string): OurAnswer {
  const told = refusal(outcome);
  return { ...told, json: { ...(told.json as object), error: 'Refused.' }, outcome, token };
}

export function ourGrant(json: unknown = {}): OurAnswer {
  return { ...answer(200, json), outcome: 'rotated', token: undefined };
}

/** A token that nobody signed, for what is only read. */
export function token(claims: Readonly<Record<string, unknown>>, alg = 'HS256'): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg, typ: 'JWT' })}.${part(claims)}.${'A'.repeat(43)}`;
}

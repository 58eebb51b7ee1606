import type { Difference } from './differences.js';
import { redacted } from './redact.js';
import type { Request, Rules } from './rules.js';
import { numberIn, readToken } from './token-text.js';

/** How far the two clocks may be apart: what lies as near to a boundary is decided by either of them. */
export const CLOCK_SECONDS = 2;

/** The sides of a difference, by which of the two accepted the token. */
const ACCEPTED = 'accepts the token';
const REFUSED = 'refuses it';

/**
 * Why this server refuses a token that Django accepted. That Django accepted it vouches for what the token says: the claim that
 * isn't as it is configured here is the reason, and where all are, the signature is.
 */
export function tokenFault(token: string, rules: Rules, request: Request): Difference {
  const sides = { django: ACCEPTED, here: REFUSED };
  const read = readToken(token);
  if (token.length > rules.maxTokenBytes)
    return {
      ...sides,
      code: 'too_long',
      here: `${REFUSED}: it has ${token.length} bytes`,
      mend: `--max-token-bytes ${2 ** Math.ceil(Math.log2(token.length))}`,
    };
  if (read === undefined) return { ...sides, code: 'signing_key' };
  const { header, claims } = read;
  const algorithm = String(header['alg']);
  if (algorithm !== rules.algorithm)
    return {
      code: 'algorithm',
      django: `${ACCEPTED}, signed with ${redacted(algorithm)}`,
      here: `${REFUSED}: only ${rules.algorithm} is taken`,
      ...(/^[A-Za-z]{2,5}\d{0,3}$/.test(algorithm) ? { mend: `--algorithm ${algorithm}` } : {}),
    };
  const edge = isAtEdge(claims, rules, request, 0) ? ({ rests: 'clock' } as const) : {};
  const { names, leewaySeconds } = rules.settings;
  const exp = numberIn(claims, 'exp');
  if (exp !== undefined && exp <= request.fromSeconds - leewaySeconds) {
    const late = Math.ceil(request.fromSeconds - exp);
    return {
      ...edge,
      code: 'leeway',
      django: `${ACCEPTED}, ${late} s after its exp`,
      here: `${REFUSED}: the leeway is ${leewaySeconds} s`,
      mend: `--leeway: it must be LEEWAY, and is no less than ${late}s`,
    };
  }
  if (rules.issuer !== undefined && claims['iss'] !== rules.issuer)
    return issuer(claims['iss'], rules.issuer, sides);
  if (rules.audience.length > 0 && !meets(claims['aud'], rules.audience))
    return audience(claims['aud'], rules.audience, sides);
  if (typeof claims[names.jti] !== 'string')
    return { ...sides, code: 'jti_claim', ...named('--jti-claim', claims, ['jti']) };
  if (claims[names.tokenType] === undefined)
    return {
      ...sides,
      code: 'token_type_claim',
      ...named('--token-type-claim', claims, ['token_type', 'typ']),
    };
  if (request.route === 'sliding_refresh' && claims[names.slidingEnd] === undefined)
    return { ...sides, code: 'sliding_claim' };
  if (Object.keys(edge).length > 0) return { ...sides, code: 'leeway', ...edge };
  return { ...sides, code: 'signing_key' };
}

export function issuer(
  theirs: unknown,
  ours: string | undefined,
  sides?: Pick<Difference, 'django' | 'here'>,
): Difference {
  const text = typeof theirs === 'string' ? theirs : undefined;
  return {
    code: 'issuer',
    django: `${sides ? `${sides.django}, ` : ''}iss ${text === undefined ? 'absent' : redacted(text)}`,
    here: `${sides ? `${sides.here}: ` : ''}iss ${ours === undefined ? 'absent' : redacted(ours)}`,
    mend: text === undefined ? 'leave --issuer out' : `--issuer ${redacted(text)}`,
  };
}

export function audience(
  theirs: unknown,
  ours: readonly string[],
  sides?: Pick<Difference, 'django' | 'here'>,
): Difference {
  const texts = [theirs].flat().filter((one) => typeof one === 'string');
  return {
    code: 'audience',
    django: `${sides ? `${sides.django}, ` : ''}aud ${texts.length === 0 ? 'absent' : texts.map(redacted).join(', ')}`,
    here: `${sides ? `${sides.here}: ` : ''}aud ${ours.length === 0 ? 'absent' : ours.map(redacted).join(', ')}`,
    mend:
      texts.length === 0
        ? 'leave --audience out'
        : texts.map((one) => `--audience ${redacted(one)}`).join(' '),
  };
}

function meets(aud: unknown, audience: readonly string[]): boolean {
  return [aud].flat().some((one) => typeof one === 'string' && audience.includes(one));
}

function named(
  option: string,
  claims: Readonly<Record<string, unknown>>,
  usual: readonly string[],
): { readonly mend?: string } {
  const name = usual.find((one) => claims[one] !== undefined);
  return name === undefined ? {} : { mend: `${option} ${name}` };
}

/**
 * Whether a time of the token is so near to the moment of the answer that two clocks may see it on two sides.
 *
 * @param beforeSeconds how long before the request a token may have been made that one of the two takes for one of the future.
 *   Here one must be ahead of the database's clock for that: 0
 */
export function isAtEdge(
  claims: Readonly<Record<string, unknown>>,
  { settings }: Pick<Rules, 'settings'>,
  { fromSeconds, toSeconds }: Pick<Request, 'fromSeconds' | 'toSeconds'>,
  beforeSeconds = CLOCK_SECONDS,
): boolean {
  const isNear = (seconds: number | undefined): boolean =>
    seconds !== undefined && seconds >= fromSeconds - CLOCK_SECONDS && seconds <= toSeconds + CLOCK_SECONDS;
  const ends = ['exp', settings.names.slidingEnd].map((name) => numberIn(claims, name));
  if (ends.some((end) => isNear(end) || isNear(end && end + settings.leewaySeconds))) return true;
  return ['iat', 'nbf'].some((name) => {
    const begins = numberIn(claims, name);
    return (
      begins !== undefined && begins > fromSeconds - beforeSeconds && begins <= toSeconds + CLOCK_SECONDS
    );
  });
}

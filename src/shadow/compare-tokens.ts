import type { Answer } from './answer.js';
import type { Difference, DifferenceCode } from './differences.js';
import { duration, isToken, redacted } from './redact.js';
import type { Request, Rules } from './rules.js';
import { audience, CLOCK_SECONDS, issuer } from './token-fault.js';
import { numberIn, readToken, type TokenText } from './token-text.js';

type Which = 'access' | 'refresh' | 'token';

/** Tokens of an answer, in its body or in its cookies. */
export function tokenIn(answer: Answer, which: Which, { cookies }: Rules): string | undefined {
  const member = (answer.json as Readonly<Record<string, unknown>> | undefined)?.[which];
  if (isToken(member)) return member;
  if (cookies === undefined || which === 'token') return undefined;
  const name = cookies[which];
  if (name === undefined) return undefined;
  const cookie = answer.cookies.find((one) => one.startsWith(`${name}=`));
  const value = cookie?.slice(name.length + 1).split(';', 1)[0];
  return isToken(value) ? value : undefined;
}

const LIFETIMES = {
  access: ['access_lifetime', '--access-lifetime', 'accessLifetimeSeconds'],
  refresh: ['refresh_lifetime', '--refresh-lifetime', 'refreshLifetimeSeconds'],
  token: ['sliding_lifetime', '--sliding-lifetime', 'slidingLifetimeSeconds'],
} as const;

/**
 * Compares the tokens that both answered. `iat`, `exp` and the id are each one's own: of them only the life is compared.
 */
export function compareTokens(django: Answer, ours: Answer, rules: Rules, request: Request): Difference[] {
  const found: Difference[] = [];
  const lives = livesOf(django, request);
  for (const which of WHICH[request.route] ?? []) {
    const [theirs, here] = [tokenIn(django, which, rules), tokenIn(ours, which, rules)];
    if (theirs !== undefined && here !== undefined)
      found.push(...compareToken(which, theirs, here, lives, rules));
  }
  return found;
}

const WHICH: Partial<Record<Request['route'], readonly Which[]>> = {
  refresh: ['access', 'refresh'],
  sliding_refresh: ['token'],
};

function compareToken(which: Which, theirs: string, here: string, lives: Lives, rules: Rules): Difference[] {
  const [django, ours] = [readToken(theirs), readToken(here)];
  if (django === undefined || ours === undefined) return [];
  const found: Difference[] = [];
  const algorithm = String(django.header['alg']);
  if (algorithm !== rules.algorithm)
    found.push({
      code: 'algorithm',
      django: `signs with ${redacted(algorithm)}`,
      here: `signs with ${rules.algorithm}`,
      mend: `--algorithm ${redacted(algorithm)}`,
    });
  found.push(...compareLife(which, django, ours, lives, rules), ...compareClaims(which, django, ours, rules));
  return found;
}

/**
 * `exp` alone tells how long a token lives, counted from the answer: simplejwt up to 5.2 gives an access token the `iat` of its
 * refresh token. It is counted on Django's own clock where the answer has a Date, so that no clock need be right.
 */
function compareLife(
  which: Which,
  django: TokenText,
  ours: TokenText,
  lives: Lives,
  { settings }: Rules,
): Difference[] {
  const [code, option, setting] = LIFETIMES[which];
  const exp = numberIn(django.claims, 'exp');
  const here = lifeOf(ours);
  if (exp === undefined || here === undefined) return [];
  const least = exp - lives.answeredSeconds - lives.toleranceSeconds;
  const most = exp - lives.answeredSeconds + lives.tookSeconds + lives.toleranceSeconds + 1;
  const isNear = (seconds: number): boolean => seconds >= least && seconds <= most;
  // With --lifetime-spread and at a session's end tokens are shorter here by intent.
  if (isNear(here) || (isNear(settings[setting]) && here <= settings[setting])) return [];
  const life = roundest(least, most);
  return [{ code, django: duration(life), here: duration(here), mend: `${option} ${duration(life)}` }];
}

/** When Django answered, by whose clock, and how long it took. */
interface Lives {
  readonly answeredSeconds: number;
  readonly tookSeconds: number;
  readonly toleranceSeconds: number;
}

function livesOf({ headers }: Answer, { fromSeconds, toSeconds }: Request): Lives {
  const dated = Date.parse(headers.get('date') ?? '') / 1000;
  const tookSeconds = toSeconds - fromSeconds;
  return Number.isNaN(dated)
    ? { answeredSeconds: toSeconds, tookSeconds, toleranceSeconds: CLOCK_SECONDS }
    : { answeredSeconds: dated, tookSeconds, toleranceSeconds: 1 };
}

/** What an operator would have written, of all whole seconds between the two. */
function roundest(least: number, most: number): number {
  for (const unit of [86_400, 3_600, 60, 30, 5]) {
    const multiple = Math.ceil(least / unit) * unit;
    if (multiple > 0 && multiple <= most) return multiple;
  }
  return Math.max(0, Math.ceil(least));
}

function lifeOf({ claims }: TokenText): number | undefined {
  const [exp, iat] = [numberIn(claims, 'exp'), numberIn(claims, 'iat')];
  return exp === undefined || iat === undefined ? undefined : exp - iat;
}

function compareClaims(which: Which, django: TokenText, ours: TokenText, rules: Rules): Difference[] {
  const { names, subAsText } = rules.settings;
  const found: Difference[] = [];
  const theirs = django.claims;
  const here = ours.claims;
  const absent = (name: string, code: DifferenceCode, option: string, usual: string): void => {
    if (theirs[name] !== undefined) return;
    const other = usual in theirs ? { mend: `${option} ${usual}` } : {};
    found.push({
      code,
      django: `the ${which} token has no claim ${redacted(name)}`,
      here: `reads ${redacted(name)}`,
      ...other,
    });
  };
  absent(names.userId, 'user_id_claim', '--user-id-claim', 'user_id');
  absent(names.jti, 'jti_claim', '--jti-claim', 'jti');
  absent(names.tokenType, 'token_type_claim', '--token-type-claim', 'token_type');
  // What isn't configured here is copied from the refresh token, and so is there all the same; but nobody looks at it.
  if (text(theirs['iss']) !== text(here['iss']) || (rules.issuer === undefined && 'iss' in theirs))
    found.push(issuer(theirs['iss'], rules.issuer));
  if (text(theirs['aud']) !== text(here['aud']) || (rules.audience.length === 0 && 'aud' in theirs))
    found.push(audience(theirs['aud'], rules.audience));

  const own = new Set(['exp', 'iat', 'jti', 'iss', 'aud', names.jti, ...found.map(() => names.tokenType)]);
  const compared = [...new Set([...Object.keys(theirs), ...Object.keys(here)])].filter(
    (name) => !own.has(name) && !name.startsWith('carelink_'),
  );
  const isOther = (name: string): boolean =>
    text(theirs[name]) !== text(here[name]) &&
    !(name === 'sub' && subAsText === true && String(theirs[name]) === String(here[name]));
  const others = compared.filter(isOther);
  if (names.revoke !== undefined && others.includes(names.revoke)) {
    found.push({ code: 'password', django: told(theirs, names.revoke), here: told(here, names.revoke) });
  }
  const plain = others.filter((name) => name !== names.revoke && name !== names.slidingEnd);
  if (plain.length > 0) {
    const list = (claims: TokenText['claims']): string =>
      `${which} token: ${plain
        .slice(0, 8)
        .map((name) => told(claims, name))
        .join(', ')}`;
    found.push({
      code: 'claims',
      django: list(theirs),
      here: list(here),
      ...(rules.hasFreshClaims ? { rests: 'user' as const } : {}),
    });
  }
  return found;
}

/** By its name alone: what is in it is somebody's. */
function told(claims: TokenText['claims'], name: string): string {
  return `${redacted(name)} ${name in claims ? `(${Array.isArray(claims[name]) ? 'list' : typeof claims[name]})` : 'absent'}`;
}

function text(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value);
}

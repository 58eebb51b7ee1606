import type { Answer, OurAnswer } from './answer.js';
import { isGranted } from './answer.js';
import { compareCookies, compareCors } from './compare-edge.js';
import { compareTokens, tokenIn } from './compare-tokens.js';
import type { Difference } from './differences.js';
import { isToken, redacted, shapeOf } from './redact.js';
import { isOfOther, refusalKinds, refusalText, type RefusalKind } from './refusal.js';
import type { Request, Rules } from './rules.js';
import { isAtEdge, tokenFault } from './token-fault.js';
import { readToken } from './token-text.js';

/**
 * In what Django's answer and ours differ, and what mends it (rule 50). Pure. What this server says besides, as `error` beside
 * a refusal and its own headers, is no difference.
 */
export function compare(django: Answer, ours: OurAnswer, rules: Rules, request: Request): Difference[] {
  const cors = compareCors(django, ours, request);
  if (request.isPreflight) return cors;
  return [...compareOutcome(django, ours, rules, request), ...cors];
}

function compareOutcome(django: Answer, ours: OurAnswer, rules: Rules, request: Request): Difference[] {
  if (django.status === 404 && ours.status !== 404)
    return [{ code: 'endpoint_path', django: 'answers 404', here: `answers ${redacted(request.path)}` }];
  if (django.status >= 300 && django.json === undefined && django.status !== ours.status)
    return [{ ...statusOf(django, ours), code: 'in_front' }];
  // What DRF tells of a view is prose.
  if (request.method === 'OPTIONS') return django.status === ours.status ? [] : [statusOf(django, ours)];
  if (django.status === 429)
    return rules.throttles
      ? []
      : [{ code: 'throttle', django: 'answers 429', here: `answers ${ours.status}` }];
  if (isGranted(django) && isGranted(ours)) return compareGranted(django, ours, rules, request);
  if (isGranted(django)) return [refusedHere(django, ours, rules, request)];
  if (isGranted(ours)) return [refusedByDjango(django, ours, rules, request)];
  return compareRefusals(django, ours, rules, request);
}

function compareGranted(django: Answer, ours: OurAnswer, rules: Rules, request: Request): Difference[] {
  const found: Difference[] = [];
  const has = (answer: Answer): boolean =>
    tokenIn(answer, 'refresh', rules) !== undefined || hasOtherCookie(answer, rules);
  // Whom it is offered to is between a client and this server.
  if (request.route === 'refresh' && rules.settings.rotation !== 'offered' && has(django) !== has(ours))
    found.push({
      code: 'rotation',
      django: has(django) ? 'answers a new refresh token' : 'answers an access token alone',
      here: has(ours) ? 'would answer a new one' : 'would answer an access token alone',
      mend: has(django) ? '--rotation on' : '--rotation off',
    });
  const members = ({ json }: Answer): string[] =>
    typeof json === 'object' && json !== null
      ? Object.keys(json)
          .filter((name) => name !== 'refresh')
          .sort()
      : [];
  if (members(django).join() !== members(ours).join() && request.method === 'POST')
    found.push({ code: 'body', django: shapeOf(django.json), here: shapeOf(ours.json) });
  return [...found, ...compareTokens(django, ours, rules, request), ...compareCookies(django, ours, rules)];
}

/** A token in a cookie of a name that isn't known here: it is the name that differs. */
function hasOtherCookie({ cookies }: Answer, rules: Rules): boolean {
  const known = rules.cookies;
  if (known === undefined) return false;
  return cookies.some((text) => {
    const [name = '', value = ''] = (text.split(';', 1)[0] ?? '').split('=', 2);
    return isToken(value) && name !== known.access && name !== known.refresh;
  });
}

/** Django granted it. */
function refusedHere(django: Answer, ours: OurAnswer, rules: Rules, request: Request): Difference {
  const sides = { django: `answers ${django.status}`, here: `would answer ${told(ours)}` };
  switch (ours.outcome) {
    case 'invalid':
    case 'expired':
    case 'malformed': {
      const fault = ours.token === undefined ? undefined : tokenFault(ours.token, rules, request);
      if (fault === undefined) return { ...sides, code: 'token_place' };
      const claims = readToken(ours.token ?? '')?.claims;
      const isOver = ours.outcome === 'expired' && fault.code === 'signing_key' && claims !== undefined;
      return isOver ? { ...sides, code: 'session_lifetime' } : fault;
    }
    case 'blacklisted':
      return request.route === 'verify'
        ? { ...sides, code: 'verify_blacklist', mend: '--verify-blacklist off', rests: 'blacklist' }
        : { ...sides, code: 'blacklisted_accepted', rests: 'blacklist' };
    case 'inactive':
      return { ...sides, code: 'user_refused', rests: 'user' };
    case 'password_changed':
      return { ...sides, code: 'password', rests: 'user' };
    case 'too_large':
      return { ...sides, code: 'too_long' };
    case 'bad_request':
      return { ...sides, code: 'token_place' };
    default:
      return { ...sides, code: 'status' };
  }
}

/** This server would grant it. */
function refusedByDjango(django: Answer, ours: OurAnswer, rules: Rules, request: Request): Difference {
  const sides = { django: `answers ${told(django)}`, here: `would answer ${ours.status}` };
  const claims = readToken(ours.token ?? '')?.claims ?? {};
  const kinds = refusalKinds(django);
  switch (kinds[0]) {
    case 'blacklisted':
      return request.route === 'verify' && !rules.settings.verifyBlacklist
        ? { ...sides, code: 'verify_blacklist', mend: '--verify-blacklist on', rests: 'blacklist' }
        : { ...sides, code: 'blacklist_unseen', rests: 'blacklist' };
    case 'inactive':
      return { ...sides, code: 'user_accepted', rests: 'user' };
    case 'password_changed':
      return { ...sides, code: 'password', rests: 'user' };
    case 'malformed':
    case 'invalid':
    case 'expired': {
      const edge = isAtEdge(claims, rules, request) ? ({ rests: 'clock' } as const) : {};
      const exp = typeof claims['exp'] === 'number' ? claims['exp'] : Infinity;
      return exp < request.fromSeconds
        ? {
            ...sides,
            code: 'leeway',
            here: `${sides.here}: the leeway is ${rules.settings.leewaySeconds} s`,
            ...edge,
          }
        : { ...sides, code: 'token_checks', ...edge };
    }
    default:
      return { ...sides, code: 'status' };
  }
}

/** What needs a verified token: Django verified it, whatever it said then. */
const AFTER_THE_SIGNATURE: ReadonlySet<RefusalKind> = new Set([
  'blacklisted',
  'inactive',
  'password_changed',
  'malformed',
]);

function compareRefusals(django: Answer, ours: OurAnswer, rules: Rules, request: Request): Difference[] {
  const kinds = refusalKinds(django);
  const here = kindOf(ours);
  if (kinds.length > 0 && here !== undefined && !kinds.includes(here)) {
    const sides = { django: `answers ${told(django)}`, here: `would answer ${told(ours)}` };
    const claims = readToken(ours.token ?? '')?.claims ?? {};
    const edge = isAtEdge(claims, rules, request);
    const theirs = kinds[0];
    if (theirs !== undefined && AFTER_THE_SIGNATURE.has(theirs) && (here === 'invalid' || here === 'expired'))
      return [tokenFault(ours.token ?? '', rules, request)];
    if (here === 'invalid' && kinds.includes('expired'))
      return [
        { ...tokenFault(ours.token ?? '', rules, request), ...(edge ? { rests: 'clock' as const } : {}) },
      ];
    if (AFTER_THE_SIGNATURE.has(here) && here !== 'malformed' && !AFTER_THE_SIGNATURE.has(theirs ?? here))
      return [{ ...sides, code: 'token_checks', ...(edge ? { rests: 'clock' as const } : {}) }];
    // What a token says of itself is read first here, and after the blacklist there: it is refused in both.
    if (here === 'malformed' || theirs === 'malformed') return [];
    return [
      {
        ...sides,
        code: 'status',
        rests: theirs === 'blacklisted' || here === 'blacklisted' ? 'blacklist' : 'user',
      },
    ];
  }
  if (django.status !== ours.status) return [statusOf(django, ours)];
  const [theirs, mine] = [django.json, withoutSentence(ours.json)];
  if (isAlike(theirs, mine)) return compareChallenge(django, ours);
  const [theirText, ourText] = [refusalText(django), refusalText(ours)];
  if (theirText !== undefined && ourText !== undefined && theirText !== ourText) {
    const sides = { django: `says "${redacted(theirText)}"`, here: `would say "${redacted(ourText)}"` };
    // What a token lacks is said in the order in which it is looked for.
    if (here === 'malformed' && kinds.includes(here)) return [];
    return isOfOther(theirText, rules.compat)
      ? [
          {
            ...sides,
            code: 'simplejwt_compat',
            mend: `--simplejwt-compat ${rules.compat === '5.5' ? '5.2' : '5.5'}`,
          },
        ]
      : [{ ...sides, code: 'wording' }];
  }
  const sides = { django: shapeOf(theirs), here: shapeOf(mine) };
  return [{ ...sides, code: members(theirs) === members(mine) ? 'wording' : 'body' }];
}

function compareChallenge(django: Answer, ours: Answer): Difference[] {
  const [theirs, here] = [django.headers.get('www-authenticate'), ours.headers.get('www-authenticate')];
  if (theirs === here) return [];
  const said = (value: string | undefined): string => (value === undefined ? 'absent' : redacted(value));
  return [{ code: 'challenge', django: said(theirs), here: said(here) }];
}

function kindOf({ outcome }: OurAnswer): RefusalKind | undefined {
  switch (outcome) {
    case 'invalid':
    case 'expired':
    case 'malformed':
    case 'blacklisted':
    case 'inactive':
    case 'password_changed':
      return outcome;
    default:
      return undefined;
  }
}

function statusOf(django: Answer, ours: OurAnswer): Difference {
  return { code: 'status', django: `answers ${told(django)}`, here: `would answer ${told(ours)}` };
}

function told({ status, json }: Answer): string {
  return `${status} ${shapeOf(withoutSentence(json))}`;
}

/** `error` is ours alone: the sentence beside simplejwt's own. */
function withoutSentence(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json;
  const { error, ...rest } = json as { error?: unknown };
  return typeof error === 'string' ? rest : json;
}

function members(json: unknown): string {
  return typeof json === 'object' && json !== null ? Object.keys(json).sort().join() : typeof json;
}

/** What a parser says of broken JSON differs from one Python to the next. */
const PARSER = /^(JSON parse error - ).*$/s;

function isAlike(a: unknown, b: unknown): boolean {
  return normal(a) === normal(b);
}

function normal(json: unknown): string {
  return JSON.stringify(json, (_name, value: unknown) => {
    if (typeof value === 'string') return value.replace(PARSER, '$1');
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)));
  });
}

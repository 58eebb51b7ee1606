import type { Answer } from './answer.js';
import type { Difference } from './differences.js';
import { isToken, redacted } from './redact.js';
import type { Request, Rules } from './rules.js';

/** What a browser reads of an answer before any script does: CORS. */
export function compareCors(django: Answer, ours: Answer, request: Request): Difference[] {
  const { origin, isPreflight } = request;
  if (origin === undefined) return [];
  const isAllowed = ({ headers }: Answer): boolean => {
    const told = headers.get('access-control-allow-origin');
    return told === origin || told === '*';
  };
  const [theirs, here] = [isAllowed(django), isAllowed(ours)];
  const shown = redacted(origin);
  if (theirs !== here)
    return [
      {
        code: 'cors_origin',
        django: `${theirs ? 'allows' : 'does not allow'} ${shown}`,
        here: `${here ? 'allows' : 'does not allow'} it`,
        mend: theirs ? `--cors-origin ${shown}` : `leave --cors-origin ${shown} out`,
      },
    ];
  if (!theirs) return [];
  const found: Difference[] = [];
  const credentials = ({ headers }: Answer): boolean =>
    headers.get('access-control-allow-credentials') === 'true';
  if (credentials(django) !== credentials(ours))
    found.push({
      code: 'cors_credentials',
      django: credentials(django) ? 'allows credentials' : 'allows none',
      here: credentials(ours) ? 'allows credentials' : 'allows none',
    });
  if (isPreflight) {
    const takes = ({ headers }: Answer, name: string): boolean =>
      (headers.get('access-control-allow-headers') ?? '')
        .toLowerCase()
        .split(',')
        .some((one) => one.trim() === name || one.trim() === '*');
    for (const name of request.requestHeaders.filter((one) => takes(django, one) && !takes(ours, one)))
      found.push({
        code: 'cors_header',
        django: `a page may send ${redacted(name)}`,
        here: 'it may not',
        mend: `--cors-header ${redacted(name)}`,
      });
  }
  return found;
}

interface Cookie {
  readonly name: string;
  readonly value: string;
  /** In lower case, with their values; of Secure and HttpOnly the value is ''. */
  readonly attributes: ReadonlyMap<string, string>;
}

function cookieOf(text: string): Cookie {
  const [pair = '', ...rest] = text.split(';');
  const at = pair.indexOf('=');
  const attributes = rest.map((part) => {
    const [name = '', value = ''] = part.trim().split('=', 2);
    return [name.toLowerCase(), value] as const;
  });
  return {
    name: pair.slice(0, at).trim(),
    value: pair.slice(at + 1).trim(),
    attributes: new Map(attributes),
  };
}

const hasEnd = ({ attributes }: Cookie): boolean => attributes.has('expires') || attributes.has('max-age');

const COMPARED = [
  ['path', '--cookie-path'],
  ['domain', '--cookie-domain'],
  ['samesite', '--cookie-samesite'],
  ['secure', '--cookie-secure'],
  ['httponly', '--cookie-httponly'],
] as const;

/** Cookies by their names and attributes. Their values, and when they end if they do, are those of the tokens in them. */
export function compareCookies(django: Answer, ours: Answer, { cookies }: Rules): Difference[] {
  const theirs = django.cookies.map(cookieOf);
  const here = new Map(ours.cookies.map(cookieOf).map((cookie) => [cookie.name, cookie]));
  const found: Difference[] = [];
  for (const cookie of theirs) {
    const own = here.get(cookie.name);
    here.delete(cookie.name);
    const name = redacted(cookie.name);
    if (own !== undefined) {
      for (const [attribute, option] of COMPARED) {
        const [a, b] = [cookie.attributes.get(attribute), own.attributes.get(attribute)];
        if (a?.toLowerCase() === b?.toLowerCase()) continue;
        const said = (value: string | undefined): string =>
          value === undefined ? 'absent' : value === '' ? 'set' : redacted(value);
        found.push({
          code: 'cookie_attribute',
          django: `${name}: ${attribute} ${said(a)}`,
          here: `${attribute} ${said(b)}`,
          mend: `${option}${a === undefined || a === '' ? '' : ` ${redacted(a)}`}`,
        });
      }
      if (hasEnd(cookie) !== hasEnd(own)) {
        const [untilClosed, withToken] = ['until the browser is closed', 'ends with its token'];
        found.push({
          code: 'cookie_attribute',
          django: `${name}: ${hasEnd(cookie) ? withToken : untilClosed}`,
          here: hasEnd(own) ? withToken : untilClosed,
          mend: `--cookie-lifetime ${hasEnd(cookie) ? 'token' : 'session'}`,
        });
      }
    } else if (isToken(cookie.value)) {
      found.push(
        cookies === undefined
          ? { code: 'cookie_style', django: `sets ${name} to a token`, here: 'sets no cookie' }
          : {
              code: 'cookie_name',
              django: `sets ${name} to a token`,
              here: `sets ${[...here.keys()].map(redacted).join(', ') || 'none'}`,
            },
      );
    } else if (cookie.value !== '""' && cookie.value !== '') {
      found.push({ code: 'cookie_lost', django: `sets ${name}`, here: 'does not' });
    }
  }
  for (const name of found.some(({ code }) => code === 'cookie_name') ? [] : here.keys())
    found.push({ code: 'cookie_name', django: 'does not set it', here: `sets ${redacted(name)}` });
  return found;
}

import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Refusal } from '../rotation/outcomes.js';
import type { RequestOutcome } from '../observe/requests.js';
import { SIMPLEJWT_TEXTS, type SimplejwtCompat } from './simplejwt-texts.js';

/**
 * An answer as a value: handlers return it, one place writes it. `headers` is the flat list of names and values
 * that `writeHead` takes as it is, without building an object a response.
 */
export class Reply {
  readonly status: number;
  readonly headers: string[];
  readonly body: string;
  readonly outcome: RequestOutcome;
  /** Values of `Set-Cookie`. */
  readonly cookies: readonly string[] | undefined;

  constructor(
    status: number,
    headers: string[],
    body: string,
    outcome: RequestOutcome,
    cookies?: readonly string[],
  ) {
    this.status = status;
    this.headers = headers;
    this.body = body;
    this.outcome = outcome;
    this.cookies = cookies;
  }

  with(cookies: readonly string[]): Reply {
    return new Reply(this.status, this.headers, this.body, this.outcome, cookies);
  }
}

/** What every answer of ours carries: tokens and refusals are nobody's to keep. */
export const SAFE_HEADERS = [
  'Content-Type', 'application/json',
  'Cache-Control', 'no-store',
  'X-Content-Type-Options', 'nosniff',
] as const; // prettier-ignore

/** For pages, which can't always read it in their refresh token. */
export function sessionEnds(seconds: number): readonly string[] {
  return ['X-Session-Ends', new Date(seconds * 1000).toISOString()];
}

/** The one place that turns a reply into bytes on a request that was understood. */
export function send(response: ServerResponse, reply: Reply): void {
  const { socket } = response;
  // Where others are set beforehand, as those of CORS, writeHead keeps but one header of a name (Node 20).
  if (reply.cookies !== undefined) response.setHeader('Set-Cookie', reply.cookies);
  response.writeHead(reply.status, reply.headers);
  // Head and body in one plain write. By itself `end(body)` makes two chunks of them, the second one empty, and sends
  // both with writev: a sixth more CPU a response of a bare server. Without a socket it waits behind another response.
  socket?.cork();
  response.write(reply.body);
  socket?.uncork();
  response.end();
}

/** The same as text, for a socket whose request was never understood and that has no response object. */
export function raw(reply: Reply): string {
  let head = `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}\r\n`;
  for (let i = 0; i + 1 < reply.headers.length; i += 2) {
    head += `${reply.headers[i] ?? ''}: ${reply.headers[i + 1] ?? ''}\r\n`;
  }
  return `${head}Date: ${new Date().toUTCString()}\r\nConnection: close\r\n\r\n${reply.body}`;
}

export function json(
  status: number,
  body: Record<string, unknown>,
  outcome: RequestOutcome,
  ...headers: string[]
): Reply {
  const text = JSON.stringify(body);
  const length = ['Content-Length', String(Buffer.byteLength(text))];
  return new Reply(status, [...SAFE_HEADERS, ...length, ...headers], text, outcome);
}

/** A status with one sentence: under `detail`, where DRF's clients look, and under `error`, where ours do. */
function sentence(status: number, text: string, outcome: RequestOutcome, ...headers: string[]): Reply {
  return json(status, { detail: text, error: text }, outcome, ...headers);
}

const ALLOW = ['Allow', 'POST, OPTIONS'] as const;

export const NOT_FOUND = sentence(404, 'Not found.', 'bad_request');

/** At `/`: for whoever opens the port in a browser to see whether anything is there. */
export function nothingHere(refreshPath: string): Reply {
  return sentence(
    404,
    `Nothing is served at this path. POST a refresh token to ${refreshPath}.`,
    'bad_request',
  );
}

export const MALFORMED = sentence(400, 'Malformed HTTP request.', 'bad_request');
export const NO_HOST = sentence(400, 'Missing Host header.', 'bad_request');
export const TIMED_OUT = sentence(408, 'The request took too long to arrive.', 'bad_request');
export const BODY_TOO_LARGE = sentence(413, 'Request body is too large.', 'bad_request');
export const HEADERS_TOO_LARGE = sentence(431, 'Request headers are too large.', 'bad_request');
export const EXPECTATION_FAILED = sentence(417, 'Only "Expect: 100-continue" is understood.', 'bad_request');

export function forbidden(text: string): Reply {
  return sentence(403, text, 'bad_request');
}

export const HOST_REFUSED = sentence(421, 'This host name is not served here.', 'bad_request');
export const UNANSWERABLE = sentence(503, 'This could not be found out.', 'error', 'Retry-After', '1');

export function methodNotAllowed(method: string, allow: readonly string[] = ALLOW): Reply {
  return sentence(405, `Method "${method}" not allowed.`, 'bad_request', ...allow);
}

export function unsupportedMediaType(mediaType: string): Reply {
  return sentence(415, `Unsupported media type "${mediaType}" in request.`, 'bad_request');
}

/** `detail` of a body that could not be parsed, worded as DRF's ParseError. */
export function parseError(text: string): Reply {
  return sentence(400, text, 'bad_request');
}

/** A body that is no dictionary. */
export function nonFieldError(text: string): Reply {
  return json(400, { non_field_errors: [text], error: text }, 'bad_request');
}

/** A field that failed DRF's validation. `error` says what was wrong in one sentence. */
export function fieldError(field: string, texts: string[], error: string): Reply {
  return json(400, { [field]: texts, error }, 'bad_request');
}

/** Nothing of the cause: the request id is what an operator searches the log by. */
export function serverError(requestId: string): Reply {
  const text = 'Token refresh failed due to server error.';
  const body = { detail: text, error: text, request_id: requestId };
  return json(500, body, 'error', 'X-Request-Id', requestId);
}

export function inProgress(retryAfterSeconds: number): Reply {
  const retry = String(retryAfterSeconds);
  return sentence(429, 'Token refresh already in progress.', 'in_progress', 'Retry-After', retry);
}

/** DRF's words, and a code by which clients tell it from a refresh in flight, which is over in a moment. */
export function throttled(waitMs: number): Reply {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  const text = `Request was throttled. Expected available in ${seconds} second${seconds === 1 ? '' : 's'}.`;
  const body = { detail: text, code: 'throttled', error: text };
  return json(429, body, 'throttled', 'Retry-After', String(seconds));
}

/** Where a browser would drop a cookie without a word. Repeating mends nothing, and a new log-in neither. */
export function cookieTooLarge(kind: 'refresh' | 'access', bytes: number, mostBytes: number): Reply {
  const text =
    `The ${kind} token has ${bytes} bytes, and browsers keep at most ${mostBytes} of them in its cookie: ` +
    'it was not set. Put fewer claims into tokens.';
  return json(413, { detail: text, code: 'cookie_too_large', error: text }, 'too_large');
}

function unavailable(retryAfterSeconds: number): Reply {
  const retry = String(retryAfterSeconds);
  return sentence(503, 'Token refresh is temporarily unavailable.', 'unavailable', 'Retry-After', retry);
}

/** Of a server that only passes requests on: Django gave no answer. */
export function badGateway(): Reply {
  return sentence(502, 'The application behind this server gave no answer.', 'error');
}

const OVERLOADED: Reply[] = [];

/** The same, made once for each of the few seconds there are: to refuse must cost far less than to serve. */
export function overloaded(retryAfterSeconds: number): Reply {
  return (OVERLOADED[retryAfterSeconds] ??= unavailable(retryAfterSeconds));
}

/** The answers to refused tokens, built once: a refusal costs no more than an answer. */
export interface Refusals {
  of(refusal: Refusal): Reply;
  /** verify alone tells it as a validation error of the serializer, with status 400. */
  readonly verifyBlacklisted: Reply;
  readonly refreshExpired: Reply;
  readonly noRefreshExp: Reply;
}

const CHALLENGE = ['WWW-Authenticate', 'Bearer realm="api"'] as const;
const REFUSED = 'Invalid or expired refresh token.';
const BLACKLISTED = 'Token is blacklisted.';

/** @param retryAfterSeconds what is asked of clients at least while there is too much to do */
export function refusals(
  { compat, slidingEnd }: { readonly compat: SimplejwtCompat; readonly slidingEnd: string },
  retryAfterSeconds: () => number = () => 0,
): Refusals {
  const texts = SIMPLEJWT_TEXTS[compat];
  const unauthorized = (detail: string, outcome: RequestOutcome, error = REFUSED): Reply =>
    json(401, { detail, code: 'token_not_valid', error }, outcome, ...CHALLENGE);
  const invalid = {
    invalid: unauthorized(texts.invalid, 'invalid'),
    expired: unauthorized(texts.expired, 'expired'),
  };
  const malformed = {
    wrong_type: unauthorized(texts.wrongType, 'malformed'),
    no_type: unauthorized(texts.noType, 'malformed'),
    no_id: unauthorized(texts.noId, 'malformed'),
    no_exp: unauthorized(texts.noExp, 'malformed'),
  };
  const blacklisted = unauthorized(texts.blacklisted, 'blacklisted', BLACKLISTED);
  // Raised as DRF's own AuthenticationFailed there, which has no `code` in its body.
  const inactive = json(401, { detail: texts.inactive, error: REFUSED }, 'inactive', ...CHALLENGE);
  const passwordChanged = json(
    401,
    { detail: texts.passwordChanged, error: REFUSED },
    'password_changed',
    ...CHALLENGE,
  );
  return {
    of(refusal) {
      switch (refusal.kind) {
        case 'invalid':
          return invalid[refusal.reason];
        case 'malformed':
          return malformed[refusal.reason];
        case 'inactive':
          return inactive;
        case 'password_changed':
          return passwordChanged;
        case 'blacklisted':
          return blacklisted;
        case 'unavailable':
          return overloaded(Math.max(refusal.retryAfterSeconds, retryAfterSeconds()));
      }
    },
    verifyBlacklisted: json(
      400,
      { non_field_errors: [texts.blacklisted], error: BLACKLISTED },
      'blacklisted',
    ),
    refreshExpired: unauthorized(texts.refreshExpired(slidingEnd), 'expired'),
    noRefreshExp: unauthorized(texts.noRefreshExp(slidingEnd), 'malformed'),
  };
}

import { signedOut, TokenError } from './errors.js';

export interface FetchParts {
  readonly allowedOrigins: readonly string[];
  /** The id of the session the request is made in. */
  session(): string | undefined;
  /** An access token, waiting for a refresh where need be. */
  token(signal: AbortSignal): Promise<string>;
  /** Another one than that, or undefined where no other would make the request go through. */
  tokenAfter(refused: string, signal: AbortSignal): Promise<string | undefined>;
}

/**
 * `fetch` with the Authorization header: waits for a refresh where one is due, and repeats once after a 401. A
 * request belongs to the session it was made in: it is never sent with the token of one that came after.
 */
export async function authenticatedFetch(
  parts: FetchParts,
  input: RequestInfo | URL,
  init?: RequestInit,
): Promise<Response> {
  const request = new Request(input, init);
  const { origin } = new URL(request.url);
  if (origin !== location.origin && !parts.allowedOrigins.includes(origin)) {
    throw new TokenError('ORIGIN_NOT_ALLOWED', origin);
  }
  const session = parts.session();
  const send = (body: Request, token: string): Promise<Response> => {
    if (parts.session() !== session) throw signedOut();
    body.headers.set('Authorization', `Bearer ${token}`);
    return fetch(body);
  };
  const token = await parts.token(request.signal);
  // A stream can be read once; what else a body can be is copied before it is sent.
  const repeat = init?.body instanceof ReadableStream ? undefined : request.clone();
  const response = await send(request, token);
  if (response.status !== 401 || repeat === undefined) return response;
  const another = await parts.tokenAfter(token, request.signal);
  if (another === undefined) return response;
  void response.body?.cancel();
  return send(repeat, another);
}

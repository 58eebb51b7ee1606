import { signedOut, TokenError } from './errors.js';

export interface FetchParts {
  readonly allowedOrigins: readonly string[];
  /** The id of the session the request is made in. */
  session(): string | undefined;
  /** An access token that isn't `refused`, waiting for a refresh where need be. */
  token(signal: AbortSignal | undefined, refused?: string): Promise<string>;
  /** Whether another token could make a refused request go through. */
  worthAnother(refused: string): boolean;
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
    const headers = new Headers(body.headers);
    headers.set('Authorization', `Bearer ${token}`);
    return fetch(new Request(body, { headers }));
  };
  const token = await parts.token(request.signal);
  // A stream can be read once; what else a body can be is copied before it is sent.
  const repeat = init?.body instanceof ReadableStream ? undefined : request.clone();
  const response = await send(request, token);
  if (response.status !== 401 || repeat === undefined || !parts.worthAnother(token)) {
    return response;
  }
  void response.body?.cancel();
  return send(repeat, await parts.token(request.signal, token));
}

import { TokenError } from './errors.js';
import type { Session } from './session.js';
import type { SessionState } from './state.js';

/**
 * The session a request is made in, as soon as it is known and has a token that is of use: after a 401 another one,
 * or the refused one where no other would make the request go through.
 */
export type SessionOf = (signal: AbortSignal, refused?: Session) => Promise<Session>;

const listening = (): void => {};

/**
 * `fetch` with the Authorization header: waits for a refresh where one is due, and repeats once after a 401. A
 * request belongs to the session it was made in: it is never sent with the token of one that came after, and what is
 * on its way when that session ends, be it a part of a body, arrives nowhere.
 */
export async function authenticatedFetch(
  origins: readonly string[],
  sessionOf: SessionOf,
  state: SessionState,
  input: RequestInfo | URL,
  init?: RequestInit,
): Promise<Response> {
  const request = new Request(input, init);
  const { origin } = new URL(request.url);
  // However they are written: with a slash, a path or capitals.
  if (![location.href, ...origins].some((one) => origin === new URL(one).origin)) {
    throw new TokenError('ORIGIN_NOT_ALLOWED', origin);
  }
  const session = await sessionOf(request.signal);
  const life = state.life.signal;
  const own = init?.signal ?? (input as Partial<Request>).signal;
  const signal = own
    ? // Absent in browsers before 2024: there the rest of a body goes on, if its request has a signal of its own.
      (AbortSignal as Partial<typeof AbortSignal>).any?.([request.signal, life])
    : life;
  // While a body still comes, WebKit forgets a signal made of others that nobody listens to.
  signal?.addEventListener('abort', listening);
  const send = (body: Request, { access }: Session): Promise<Response> => {
    body.headers.set('Authorization', `Bearer ${access}`);
    // WebKit has an AbortError of its own for what a signal ends.
    return fetch(body, { signal } as RequestInit).finally(() => life.throwIfAborted());
  };
  // A stream can be read once; what else a body can be is copied before it is sent.
  const repeat = init?.body instanceof ReadableStream ? undefined : request.clone();
  const response = await send(request, session);
  const another = response.status === 401 && repeat && (await sessionOf(request.signal, session));
  if (!another || another === session) return response;
  void response.body?.cancel();
  return send(repeat, another);
}

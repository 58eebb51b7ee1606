type Part = string | number;

/** Calls a script with so many keys, then arguments. */
export type ScriptCommand = (...keysAndArguments: Part[]) => Promise<unknown>;

interface Waiting {
  readonly call: readonly Part[];
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Calls in one message at most: nobody else is served while a script runs, some 3 us for each of them. */
const MOST = 64;

/**
 * Sends all calls of one turn of the event loop as one: a message and the start of a script cost Redis and this process
 * more than what it does for a token. Who calls alone is sent in the same turn.
 *
 * @param send a script that does the same for each of many (see `forEach` in scripts.ts), after the number of all keys; its
 *   reply has one of each
 * @param keys of one call
 * @param placeOf what may be sent together: the same for all where one node has all keys, else the slot, of the first key
 * @param isRefused Redis began and couldn't: a key that somebody spoilt ends the script for all of them. Then each is sent
 *   again by itself: those that were done are told the same once more
 */
export function gathered(
  send: (...parts: Part[]) => Promise<unknown>,
  keys: number,
  placeOf: (key: string) => string,
  isRefused: (error: unknown) => boolean,
): ScriptCommand {
  const places = new Map<string, Waiting[]>();

  function flush(): void {
    const all = [...places.values()];
    places.clear();
    for (const waiting of all)
      for (let at = 0; at < waiting.length; at += MOST) sendSome(waiting.slice(at, at + MOST));
  }

  function sendSome(some: readonly Waiting[]): void {
    const parts: Part[] = [some.length * keys];
    for (const { call } of some) for (let n = 0; n < keys; n++) parts.push(call[n] ?? '');
    for (const { call } of some) for (let n = keys; n < call.length; n++) parts.push(call[n] ?? '');
    send(...parts).then(
      (reply) => {
        const replies: readonly unknown[] = Array.isArray(reply) ? reply : [];
        for (const [at, { resolve }] of some.entries()) resolve(replies[at]);
      },
      (error: unknown) => {
        if (some.length > 1 && isRefused(error)) for (const one of some) sendSome([one]);
        else for (const { reject } of some) reject(error);
      },
    );
  }

  return (...call) =>
    new Promise((resolve, reject) => {
      const place = placeOf(String(call[0]));
      if (places.size === 0) setImmediate(flush);
      const waiting = places.get(place);
      if (waiting === undefined) places.set(place, [{ call, resolve, reject }]);
      else waiting.push({ call, resolve, reject });
    });
}

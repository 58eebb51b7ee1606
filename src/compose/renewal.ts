import type { TlsPair } from '../config/tls-pair.js';
import type { Keys } from '../jwt/key-set.js';

/** What a server is given anew while it runs: all keys, and the certificate that it shows. */
export interface Renewal {
  readonly keys: Keys;
  /** Undefined: it speaks no TLS. */
  readonly tls: TlsPair | undefined;
}

/** A server that can be given these anew while it runs. */
export interface Renewing {
  /** Holds keys: never to be printed or logged. */
  readonly inUse: () => Renewal;
  /**
   * Gives them to all processes that serve. Returns the ids of those that have not confirmed it in time.
   *
   * @throws {KeyError} and nothing has changed
   */
  readonly renew: (renewal: Renewal) => Promise<readonly number[]>;
}

export function isSamePair(a: TlsPair | undefined, b: TlsPair | undefined): boolean {
  return a?.cert === b?.cert && a?.key === b?.key;
}

/** A renewal on its way to a worker: a channel carries JSON. */
export type SentRenewal = Omit<Renewal, 'keys' | 'tls'> & {
  readonly keys: Omit<Keys, 'chainKeys'> & { readonly chainKeys: readonly string[] };
  readonly tls?: TlsPair;
};

export function toSend({ keys, tls }: Renewal): SentRenewal {
  const chainKeys = keys.chainKeys.map((key) => key.toString('base64'));
  return { keys: { ...keys, chainKeys }, ...(tls === undefined ? {} : { tls }) };
}

export function fromSent({ keys, tls }: SentRenewal): Renewal {
  return {
    keys: { ...keys, chainKeys: keys.chainKeys.map((key) => Buffer.from(key, 'base64')) },
    tls,
  };
}

import type { ServeSettings } from '../config/settings.js';
import type { TlsPair } from '../config/tls-pair.js';
import { importKeySet, type KeySet } from '../jwt/key-set.js';
import type { RotationContext } from '../rotation/context.js';
import { isSamePair, type Renewal, type Renewing } from './renewal.js';
import { partsOf } from './tokens.js';

/**
 * The keys and the certificate of a server that runs. Whoever begins something takes what is there, and keeps it to its
 * end: what is renewed is another object, never a change of the one that was handed out.
 */
export class Renewable {
  readonly #tokens: ServeSettings['tokens'];
  readonly #onRenewed: (now: Renewal, before: Renewal) => void;
  readonly #show: ((tls: TlsPair) => void)[] = [];
  #context: RotationContext;
  #publicKeys: KeySet['publicKeys'];
  #inUse: Renewal;

  /** @param onRenewed is told what holds from now on */
  constructor(
    { tokens }: Pick<ServeSettings, 'tokens'>,
    first: {
      readonly context: RotationContext;
      readonly publicKeys: KeySet['publicKeys'];
      readonly inUse: Renewal;
    },
    onRenewed: (now: Renewal, before: Renewal) => void,
  ) {
    this.#tokens = tokens;
    this.#onRenewed = onRenewed;
    this.#context = first.context;
    this.#publicKeys = first.publicKeys;
    this.#inUse = first.inUse;
  }

  /** What a request that begins now works with. */
  readonly context = (): RotationContext => this.#context;

  /** By which others verify what is signed now. */
  readonly publicKeys = (): KeySet['publicKeys'] => this.#publicKeys;

  readonly inUse = (): Renewal => this.#inUse;

  /** Of a process that serves by itself. */
  readonly alone: Renewing = {
    inUse: () => this.#inUse,
    renew: async (renewal) => {
      await this.renew(renewal);
      return [];
    },
  };

  /** Lets a port show the certificates to come. */
  showsWith(show: (tls: TlsPair) => void): void {
    this.#show.push(show);
  }

  /** @throws {KeyError} and nothing has changed */
  readonly renew = async (renewal: Renewal): Promise<void> => {
    const { keySet } = await importKeySet(renewal.keys, this.#tokens);
    const before = this.#inUse;
    if (renewal.tls !== undefined && !isSamePair(renewal.tls, before.tls)) {
      for (const show of this.#show) show(renewal.tls);
    }
    this.#context = { ...this.#context, ...partsOf(keySet) };
    this.#publicKeys = keySet.publicKeys;
    this.#inUse = renewal;
    this.#onRenewed(renewal, before);
  };
}

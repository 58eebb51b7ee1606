import { fromSent, type Renewal, type SentRenewal } from './renewal.js';

type Renew = (renewal: Renewal) => Promise<void>;

export interface OrderedRenewalsOptions {
  readonly onTaken: (id: number) => void;
  /** It can't, and works with what it had. */
  readonly onFailed: (id: number) => void;
}

/**
 * Keys and certificates that a worker is ordered to take, from its first moment on. One that is still starting takes the
 * newest before its port is open: no request meets keys that the other workers no longer have.
 */
export class OrderedRenewals {
  readonly #options: OrderedRenewalsOptions;
  #newest: SentRenewal | undefined;
  /** Orders that wait for their confirmation. */
  #open: number[] = [];
  #renew: Renew | undefined;
  /** What was taken last, and by whom: a start that is begun again has to take it again. */
  #taken: { readonly newest: SentRenewal; readonly renew: Renew } | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: OrderedRenewalsOptions) {
    this.#options = options;
  }

  /** @param id undefined: what it begins with, which nobody waits for */
  order(renewal: SentRenewal, id?: number): void {
    this.#newest = renewal;
    if (id !== undefined) this.#open.push(id);
    void this.#take();
  }

  /** From now on they go there. Resolves when the newest of those that came before has been taken. */
  readonly takeWith = (renew: Renew): Promise<void> => {
    this.#renew = renew;
    return this.#take();
  };

  #take(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      const [newest, renew] = [this.#newest, this.#renew];
      if (renew === undefined || newest === undefined) return;
      const ids = this.#open.splice(0);
      try {
        if (newest !== this.#taken?.newest || renew !== this.#taken.renew) await renew(fromSent(newest));
        this.#taken = { newest, renew };
        ids.forEach(this.#options.onTaken);
      } catch {
        ids.forEach(this.#options.onFailed);
      }
    });
    return this.#turn;
  }
}

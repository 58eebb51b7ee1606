import type { Channel } from './channel.js';
import type { Credentials, Endpoint } from './endpoint.js';
import { ENDED, type Ledger } from './ledger.js';
import type { Kept } from './storage.js';

/** Log-outs that the server has not been told of yet. */
export interface LogOuts {
  /** This one is owed; without credentials: no more. */
  owe(id: string, credentials?: Credentials): void;
  readonly owes: (id: string) => boolean;
  /** Tells the server of all; the requests leave at once. Resolves to whether it knows of all of them now. */
  readonly pay: () => Promise<boolean>;
}

type Debts = Record<string, Credentials | undefined>;

interface Told {
  readonly endpoint: Endpoint;
  readonly ledger: Ledger;
  readonly channel: Channel;
}

/**
 * Written down before anything else is done, and not in the ledger: a page that navigates away in the same moment has
 * no time for that. Any tab may pay, and in cookie mode any later one; the server takes a log-out twice as well as once.
 */
export function logOuts(kept: Kept<Debts>, { endpoint, ledger, channel }: Told): LogOuts {
  let mine: Debts = {};
  const telling: Record<string, Promise<boolean> | undefined> = {};
  const all = (): Debts => (mine = { ...kept.load(), ...mine });

  function owe(id: string, credentials?: Credentials): void {
    all()[id] = credentials && { id, refresh: credentials.refresh };
    kept.save(mine);
  }

  async function tell(credentials: Credentials): Promise<boolean> {
    const { id } = credentials;
    const kind = await endpoint.blacklist(credentials);
    telling[id] = undefined;
    if (kind === 'again') return false;
    // Until then it is what tells a page that the session has ended.
    await ledger.advance(id, ENDED);
    owe(id);
    channel.post({ kind: 'paid', id });
    return kind === 'refused';
  }

  return {
    owe,
    owes: (id) => !!all()[id],
    async pay() {
      const told = Object.values(all()).map(async (one) => !one || (telling[one.id] ??= tell(one)));
      return !(await Promise.all(told)).includes(false);
    },
  };
}

import type { Channel } from './channel.js';
import type { Credentials, Endpoint } from './endpoint.js';
import { ENDED, type Ledger } from './ledger.js';
import type { Kept } from './storage.js';

/** Log-outs that the server has not been told of yet. */
export interface LogOuts {
  /** This one is owed; without credentials: no more. In cookie mode a token, of a log-in that was not exchanged, stays in memory. */
  owe(id: string, credentials?: Credentials): void;
  readonly owes: (id: string) => boolean;
  /** Tells the server of all; the requests leave at once. Resolves to whether it knows of all of them now. */
  readonly pay: () => Promise<boolean>;
}

interface Debt extends Credentials {
  /** What of it is stored. */
  readonly toJSON?: (() => Credentials) | undefined;
}

type Debts = Record<string, Debt | undefined>;

interface Told {
  readonly endpoint: Endpoint;
  readonly ledger: Ledger;
  readonly channel: Channel;
}

/**
 * Written down before anything else is done, and not in the ledger: a page that navigates away in the same moment has
 * no time for that. Any tab may pay, and in cookie mode any later one; the server takes a log-out twice as well as once.
 */
export function logOuts(kept: Kept<Debts>, cookie: boolean, { endpoint, ledger, channel }: Told): LogOuts {
  let mine: Debts = {};
  const telling: Record<string, Promise<boolean> | undefined> = {};
  const all = (): Debts => (mine = { ...kept.load(), ...mine });

  function owe(id: string, credentials?: Credentials): void {
    all()[id] = credentials && {
      id,
      refresh: credentials.refresh,
      toJSON: cookie ? () => ({ id }) : undefined,
    };
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
    // Refused: it was of no use before. A cookie may be missing because the log-in's exchange failed: then another tab has the token.
    if (kind === 'pair' || credentials.refresh) channel.post({ kind: 'paid', id });
    return kind !== 'broken';
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

import type { ServeSettings } from '../config/settings.js';
import { randomUUID } from 'node:crypto';
import type { RotationContext } from '../rotation/context.js';
import type { DatabaseClock } from '../rotation/ports.js';
import type { SiteSchema, TokenSchema } from '../store/schema.js';
import { PgReissues, type ReissuesOptions } from '../store/reissues.js';
import { PgRevocations } from '../store/revocations.js';
import { NO_TABLES_TO_REVOKE_IN, TablelessStore } from '../store/tableless.js';
import { PgTokenStore, type TokenStoreOptions } from '../store/token-store.js';

/** What is known of the site: with Django's token tables, or without. */
export type Site =
  | { readonly kind: 'tables'; readonly schema: TokenSchema }
  | { readonly kind: 'tableless'; readonly schema: SiteSchema; readonly onTablesThere: () => void };

export interface Stores extends Pick<RotationContext, 'store' | 'revocations' | 'reissuing'> {
  /** Whether a refresh that comes now would be refused. */
  readonly isBusy: (nowMs: number) => boolean;
  /** Refreshes that wait for the database. */
  readonly inside: () => number;
}

/** Builds what the policy needs, and nothing else. */
export function openStores(
  { rotation, http }: Pick<ServeSettings, 'rotation' | 'http'>,
  site: Site,
  options: Omit<TokenStoreOptions, 'schema'> & { readonly clock: DatabaseClock; readonly poolSize: number },
): Stores {
  const reissues = (more: Partial<ReissuesOptions> = {}): PgReissues => {
    const records = rotation.policy === 'keep' && http.compat === '5.5';
    return new PgReissues({
      ...options,
      site: site.kind === 'tables' ? { ...site, records } : site,
      ...more,
    });
  };
  if (site.kind === 'tableless') {
    const judged = reissues();
    const users = reissues({ purpose: 'verify', onBatch: () => undefined });
    return {
      store: new TablelessStore(site.schema, users, () => options.clock.nowUs()),
      revocations: NO_TABLES_TO_REVOKE_IN,
      reissuing: { store: judged, freshId },
      isBusy: (nowMs) => judged.isBusy(nowMs),
      inside: () => judged.inside,
    };
  }
  const { schema } = site;
  const store = new PgTokenStore({ ...options, schema });
  const revocations = new PgRevocations({ ...options, schema, connections: halfOf(options.poolSize) });
  if (rotation.policy === 'on') {
    return {
      store,
      revocations,
      reissuing: undefined,
      isBusy: (nowMs) => store.isBusy(nowMs),
      inside: () => store.inside,
    };
  }
  const judged = reissues();
  return {
    store,
    revocations,
    reissuing: { store: judged, freshId },
    isBusy: (nowMs) => judged.isBusy(nowMs) || (rotation.policy === 'offered' && store.isBusy(nowMs)),
    inside: () => judged.inside + store.inside,
  };
}

/** Of the connections, for what follows families and for log-outs: refreshes keep the other half (rule 8 may take seconds). */
function halfOf(poolSize: number): number {
  return Math.max(1, Math.floor(poolSize / 2));
}

/** As simplejwt draws them: 32 hex digits. */
function freshId(): string {
  return randomUUID().replaceAll('-', '');
}

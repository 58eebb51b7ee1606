import type { ServerOverview } from './overview.js';

/** All that the checks judge: read beforehand, so that each check is a function of data. Holds no token and no key. */
export interface Evidence {
  readonly database: DatabaseEvidence;
  /** Undefined: no Redis is configured. */
  readonly redis: RedisEvidence | undefined;
  readonly keys: KeyEvidence;
  /** Undefined: no TLS. */
  readonly certificate: { readonly subject: string; readonly validToMs: number } | undefined;
  readonly options: Options;
  /** Of this host. */
  readonly wallClockMs: number;
}

/** What was configured, as far as checks compare it with what is there. */
export interface Options {
  readonly algorithm: string;
  readonly userIdClaim: string;
  readonly userCheck: 'auto' | 'on' | 'off';
  readonly compat: '5.2' | '5.5';
  readonly poolSize: number;
  readonly refreshLifetimeSeconds: number;
  readonly cleansUp: boolean;
}

export type DatabaseEvidence =
  | { readonly kind: 'unreachable'; readonly message: string }
  | {
      readonly kind: 'reached';
      readonly embedded: boolean;
      readonly facts: DatabaseFacts;
      /** How far this host's clock is ahead of the database's, at least; negative: behind. */
      readonly clockAheadMs: number;
      /** What `migrate status` would tell; undefined: it could not be read. */
      readonly overview: ServerOverview | undefined;
      readonly schema:
        | { readonly kind: 'read'; readonly userIdType: string; readonly userTable: string | undefined; readonly health: string }
        | { readonly kind: 'refused'; readonly code: string; readonly message: string };
      /** The newest refresh tokens that Django, or we, have written. */
      readonly samples: readonly TokenSample[];
    }; // prettier-ignore

export interface DatabaseFacts {
  readonly version: string;
  readonly role: string;
  readonly standby: boolean;
  /** So is every session on a standby; elsewhere `default_transaction_read_only` is on. */
  readonly read_only: boolean;
  readonly max_connections: number;
  readonly other_connections: number;
  readonly outstanding: boolean;
  readonly blacklisted: boolean;
  /** A valid unique index on exactly this column. */
  readonly unique_jti: boolean;
  readonly unique_token_id: boolean;
  readonly django: boolean;
  /** Applied migrations of the app token_blacklist, by Django's own ledger. */
  readonly django_migrations: readonly string[];
  readonly long_expired: boolean;
}

export interface TokenSample {
  readonly algorithm: string;
  /** Whether the configured keys accept its signature, and audience and issuer. */
  readonly verified: boolean;
  readonly userId: 'number' | 'text' | 'absent' | 'unfit';
  readonly claims: readonly string[];
  readonly lifetimeSeconds: number | undefined;
}

export type RedisEvidence =
  | { readonly kind: 'unreachable'; readonly code: string }
  | { readonly kind: 'reached'; readonly version: string; readonly maxmemoryPolicy: string; readonly maxmemory: number }; // prettier-ignore

export interface KeyEvidence {
  /** The keys were refused. */
  readonly error: string | undefined;
  readonly warnings: readonly string[];
  /** Of an HS* secret. */
  readonly secretBytes: number | undefined;
  readonly chainKeyPinned: boolean;
}

import type { ClaimNames } from '../rotation/claims.js';
import type { Owned } from '../store/own-schema.js';
import type { ServerOverview } from './overview.js';
import type { Reading } from './reading.js';
import type { TokenSample } from './token-sample.js';

/** All that the checks judge: read beforehand, so that each check is a function of data. Holds no token and no key. */
export interface Evidence {
  readonly database: DatabaseEvidence;
  /** Undefined: no Redis is configured. */
  readonly redis: RedisEvidence | undefined;
  readonly keys: KeyEvidence;
  /** Undefined: no TLS. */
  readonly certificate: { readonly subject: string; readonly validToMs: number } | undefined;
  readonly options: Options;
  /** Undefined: no facts of Django were given. */
  readonly adoption: AdoptionEvidence | undefined;
  /** Of this host. */
  readonly wallClockMs: number;
}

/** How the configuration stands to what the probe found in Django. */
export interface AdoptionEvidence {
  /** Options that are otherwise than Django's settings want them. */
  readonly mismatches: readonly {
    readonly flag: string;
    /** Undefined: it is to be left out. */
    readonly wanted: string | undefined;
    readonly setting: string | undefined;
    readonly django: string | undefined;
  }[];
  /** What can't be kept of the site. */
  readonly lost: readonly { readonly setting: string; readonly django: string; readonly means: string }[];
}

/** What was configured, as far as checks compare it with what is there. */
export interface Options {
  readonly algorithm: string;
  readonly audience: readonly string[];
  readonly issuer: string | undefined;
  readonly names: ClaimNames;
  readonly subAsText: boolean;
  readonly userCheck: 'auto' | 'on' | 'exists' | 'off';
  readonly blacklist: 'auto' | 'sync' | 'async';
  readonly compat: '5.2' | '5.5';
  readonly poolSize: number;
  readonly accessLifetimeSeconds: number;
  readonly refreshLifetimeSeconds: number;
  readonly slidingLifetimeSeconds: number;
  readonly cleansUp: boolean;
  readonly rotation: 'on' | 'off' | 'keep' | 'offered';
  /** False: the operator says that there are none. */
  readonly tokenTables: boolean;
}

export type DatabaseEvidence =
  /** `code`: SQLSTATE where the server refused, DATABASE_TLS_FAILED, else the system's. */
  | { readonly kind: 'unreachable'; readonly message: string; readonly code: string | undefined }
  | {
      readonly kind: 'reached';
      readonly embedded: boolean;
      readonly facts: DatabaseFacts;
      /** By the database's clock, when the facts were read. */
      readonly nowMs: number;
      /** How far this host's clock is ahead of the database's, at least; negative: behind. */
      readonly clockAheadMs: number;
      /** What `migrate status` would tell. */
      readonly overview: Reading<ServerOverview>;
      readonly schema: SchemaEvidence;
      /** Refresh and sliding tokens that Django, or we, have written: the newest first, and some from further back. */
      readonly samples: Reading<readonly TokenSample[]>;
      /** What single checks read for themselves, by their ids. */
      readonly readings: ReadonlyMap<string, Reading<unknown>>;
    }; // prettier-ignore

export type SchemaEvidence =
  | {
      readonly kind: 'read';
      readonly userIdType: string;
      readonly userTable: string | undefined;
      readonly health: string;
      /** Columns of the user table that may keep users out, and that nobody reads. */
      readonly unreadColumns: readonly string[];
      /** Undefined: users are in a table. */
      readonly view: { readonly doubled: Reading<boolean> } | undefined;
    }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'unread'; readonly why: string }; // prettier-ignore

export interface DatabaseFacts extends Owned {
  readonly version: string;
  readonly role: string;
  readonly standby: boolean;
  /** So is every session on a standby; elsewhere `default_transaction_read_only` is on. */
  readonly read_only: boolean;
  readonly max_connections: number;
  readonly other_connections: number;
  /** Whether they are found by the search path. */
  readonly outstanding: boolean;
  readonly blacklisted: boolean;
  /** Tables of these two names, in whatever schema. */
  readonly tables: readonly TableFacts[];
  /** `user_id of token_blacklist_outstandingtoken`. */
  readonly missing_columns: readonly string[];
  /** What the role may not do and a refresh must, by name: `INSERT on token_blacklist_blacklistedtoken`. */
  readonly missing_rights: readonly string[];
  /** A valid unique index on exactly this column. */
  readonly unique_jti: boolean;
  readonly unique_token_id: boolean;
  readonly django: boolean;
  /** Applied migrations of the app token_blacklist, by Django's own ledger. */
  readonly django_migrations: Reading<readonly string[]>;
}

export interface TableFacts {
  readonly name: string;
  readonly schema: string;
  /** Found by the search path. */
  readonly visible: boolean;
  /** The role may look into the schema. */
  readonly reachable: boolean;
  readonly readable: boolean;
  /** Row-level security hides rows from this role, or may. */
  readonly hidden_rows: boolean;
}

export type RedisEvidence =
  /** `why` goes on behind `does not answer`, and has no full stop. */
  | { readonly kind: 'unreachable'; readonly place: string; readonly why: string }
  /** It answers, and refuses what every connection needs; the message says what to do. */
  | { readonly kind: 'refused'; readonly message: string }
  | {
      readonly kind: 'reached';
      readonly version: string;
      readonly maxmemoryPolicy: string;
      readonly maxmemory: number;
      /** Why it can't be worked with at the moment, though it answers. */
      readonly obstacle: string | undefined;
      /** Whose its keys are; undefined: nobody's yet. */
      readonly owner: string | undefined;
      /** What `serve` says of a Redis that is another system's, where this database has that id. */
      readonly ownedBy: (id: string) => string;
    };

export interface KeyEvidence {
  /** The keys were refused. */
  readonly error: string | undefined;
  readonly warnings: readonly string[];
  /** Of an HS* secret. */
  readonly secretBytes: number | undefined;
  /** Names of secrets that are out of an example: whoever has read it knows them. */
  readonly examples: readonly string[];
  readonly chainKeyPinned: boolean;
  /** Whether one token's id follows from another's under any of the chain keys; undefined: the keys can't be used. */
  readonly follows: ((jti: string, successor: string) => boolean) | undefined;
}

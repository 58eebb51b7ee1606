/** Parts of what commands are to do, grouped by who takes them, so that compose hands each one on whole. */
import type { Range, Rate } from './edge-options.js';
import type { CorsOrigin } from './origin-kind.js';
import type { RedisAddress } from '../redis-address.js';
import type { TlsPair } from './tls-pair.js';
import type { Algorithm, PasswordHash } from './vocabulary.js';

export type DatabaseSettings =
  | {
      readonly kind: 'url';
      /** Holds a password as a rule: never to be printed or logged. */
      readonly url: string;
      /** Where the password is fetched at each connect; undefined: it is in the URL, or where libpq looks for it. */
      readonly password?: PasswordOrigin | undefined;
      /** Of Django's tables; undefined: what the search path leads to. */
      readonly schema?: string | undefined;
      /** libpq's variables (PGPASSWORD, PGSSLROOTCERT) that --env-file sets; undefined: the environment's alone. */
      readonly libpq?: Readonly<Record<string, string>> | undefined;
    }
  /** The embedded PostgreSQL in a directory (an absolute path). */
  | { readonly kind: 'embedded'; readonly dataDir: string };

/** A file (an absolute path), or a program and its arguments. */
export type PasswordOrigin =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'command'; readonly argv: readonly string[] };

export interface RedisSettings extends RedisAddress {
  /** What all keys begin with. */
  readonly prefix: string;
}

export interface HttpSettings extends EdgeSettings {
  /** `unix:/path` with a socket. */
  readonly host: string;
  /** The absolute path of the unix socket to listen on; undefined: host and port. */
  readonly socket: string | undefined;
  /** 0: a free one. */
  readonly port: number;
  /** `/account/token`; '' for the root. No slash at its end. */
  readonly basePath: string;
  /** Of each endpoint, without a slash at its end. */
  readonly paths: EndpointPaths;
  readonly maxConnections: number;
  readonly tls: TlsPair | undefined;
  /** Where it was read from: absolute paths. */
  readonly tlsFiles: { readonly cert: string; readonly key: string } | undefined;
  readonly compat: '5.2' | '5.5';
  /** Undefined: tokens travel in bodies. */
  readonly cookies: CookieSettings | undefined;
  /** The page for trying it. */
  readonly demo: boolean;
}

export interface EndpointPaths {
  readonly refresh: string;
  readonly verify: string;
  readonly blacklist: string;
  readonly sliding: string;
}

/** What stands between browsers and the server. */
export interface EdgeSettings {
  /** Whose pages may call the endpoints from another origin. None: nobody's. */
  readonly corsOrigins: readonly CorsOrigin[];
  /** Headers of the site's own that those pages may send, in lower case. */
  readonly corsHeaders: readonly string[];
  readonly trustedProxies: {
    readonly ranges: readonly Range[];
    /** In lower case. */
    readonly header: string;
  };
  /** Undefined: no limit. */
  readonly throttle: { readonly user: Rate | undefined; readonly address: Rate | undefined };
  readonly accessLog: 'off' | 'errors' | 'all';
}

/**
 * How the tokens of browsers travel in cookies; http/cookies has a file for each style. `untilClosed`: browsers forget them when
 * they are closed, or earlier.
 */
export type CookieSettings =
  | { readonly style: 'own'; readonly untilClosed?: true }
  | {
      readonly style: 'dj-rest-auth';
      readonly name: string;
      /** Undefined: the access token is in no cookie. */
      readonly accessName: string | undefined;
      /** Of the refresh token's. */
      readonly path: string;
      /** Undefined: this host alone. */
      readonly domain: string | undefined;
      readonly sameSite: 'Lax' | 'Strict' | 'None';
      readonly secure: boolean;
      readonly httpOnly: boolean;
      readonly untilClosed?: true;
    };

export interface KeySettings {
  readonly algorithm: Algorithm;
  /** Text of the key. Undefined only with the embedded database, which makes one and keeps it. */
  readonly signingKey: string | undefined;
  /** Texts of more keys that are accepted. */
  readonly verifyingKeys: readonly string[];
  /** The pinned chain keys, newest first. None: it follows from the signing key. */
  readonly chainKeys: readonly Buffer[];
}

export interface TokenSettings {
  readonly accessLifetimeSeconds: number;
  readonly refreshLifetimeSeconds: number;
  readonly slidingLifetimeSeconds: number;
  /** How long a session may last; undefined: for as long as it is refreshed. */
  readonly sessionLifetimeSeconds: number | undefined;
  /** By which share lifetimes of access and sliding tokens are shortened at most, 0 to 0.5. */
  readonly lifetimeSpread: number;
  /** Refresh tokens say when their session began. */
  readonly tellsStart: boolean;
  readonly leewaySeconds: number;
  readonly audience: readonly string[];
  readonly issuer: string | undefined;
  readonly names: ClaimNameSettings;
  /** An integer `sub` is written as text. */
  readonly subAsText: boolean;
  /** A longer one is refused unread. */
  readonly maxTokenBytes: number;
}

/** What simplejwt calls its claims. */
export interface ClaimNameSettings {
  readonly userId: string;
  readonly jti: string;
  readonly tokenType: string;
  /** Until when a sliding token can be extended. */
  readonly slidingEnd: string;
  /** Holds the hash of the user's password; undefined: it is not compared. */
  readonly revoke?: string | undefined;
}

export interface RotationChoices {
  readonly policy: 'on' | 'off' | 'keep' | 'offered';
  /** False: the site has no blacklist app. */
  readonly tokenTables: boolean;
  /** `verify/` refuses blacklisted tokens. */
  readonly verifyBlacklist: boolean;
  readonly blacklist: 'auto' | 'sync' | 'async';
  readonly requestTimeoutMs: number;
  /** 0: a repeat of a rotated token is refused. */
  readonly reuseGraceMs: number;
  readonly onReuse: 'reject' | 'revoke-family' | 'revoke-user';
}

export interface UserSettings {
  /** Undefined: the table that user_id refers to. */
  readonly userTable: string | undefined;
  /** Undefined: the column that user_id refers to; of another table its primary key, else `id`. */
  readonly userIdColumn: string | undefined;
  readonly userActiveColumn: string;
  readonly passwordColumn?: string;
  /** Undefined: passwords are not compared. */
  readonly passwordHash?: PasswordHash;
  /** Undefined: `claims`, where a view has it. */
  readonly userClaimsColumn: string | undefined;
  readonly userCheck: 'auto' | 'on' | 'exists' | 'off';
}

export interface CleanupChoices {
  /** How long a token must have been expired. */
  readonly retentionMs: number;
  readonly leewayMs: number;
  /** The claim that says until when a sliding token can be extended. */
  readonly slidingEnd: string;
  /** How much longer than their rows say tokens may live; undefined: as long as rows show. */
  readonly extraLifetimeMs: number | undefined;
  /** Undefined: steered by the target. */
  readonly batchSize: number | undefined;
  readonly targetBatchMs: number;
  /** Rest for each millisecond of work. */
  readonly nice: number;
  readonly maxRows: number | undefined;
  readonly maxDurationMs: number | undefined;
  readonly vacuum: 'auto' | 'off';
  /** How long a row of the audit is kept; undefined: for ever. */
  readonly auditRetentionMs: number | undefined;
  /** Standbys that may be behind, by their application_name. */
  readonly ignoredStandbys: readonly string[];
}

/** A part of a load whose rate goes evenly from the one to the other. */
export interface LoadStep {
  readonly durationMs: number;
  readonly fromPerSecond: number;
  readonly toPerSecond: number;
}

export interface FileText {
  /** As it was given. */
  readonly path: string;
  readonly text: string;
}

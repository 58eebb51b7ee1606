/**
 * What a command is to do: read once from options and environment, checked, and frozen. The parts are grouped by
 * who takes them, so that compose hands each one on whole.
 */
import type { Range, Rate } from './edge-options.js';
import type { CorsOrigin } from './origin-kind.js';
import type { RedisAddress } from '../redis-address.js';
import type { TlsPair } from './tls-pair.js';
import type { TracingOptions } from '../tracing-options.js';
import type { Since } from './moments.js';
import type { Algorithm, DeedKind, LogLevel, MigrateAction, PasswordHash } from './vocabulary.js';

/** What every command has. */
export interface CommonSettings {
  /** One JSON document, or JSON lines, on stdout and nothing else there. */
  readonly json: boolean;
  /** Nothing on stderr but warnings and errors. */
  readonly quiet: boolean;
  /** What is logged: --log-level, or where it isn't given `warn` with --quiet, else `info`. */
  readonly logLevel: LogLevel;
  /** Sentences for whoever runs the command, of likely mistakes that are no errors. */
  readonly warnings: readonly string[];
}

export interface SharedSettings extends CommonSettings {
  readonly database: DatabaseSettings;
}

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

export interface ServeSettings extends SharedSettings {
  readonly command: 'serve';
  /** Processes that share the port. */
  readonly workers: number;
  /** Connections to a database by URL, of each process. The embedded one takes a pool of one, whatever this says. */
  readonly poolSize: number;
  /** A direct connection for LISTEN; undefined: as the database's. Holds a password as a rule. */
  readonly listenUrl: string | undefined;
  /** Undefined: each process remembers by itself. */
  readonly redis: RedisSettings | undefined;
  readonly http: HttpSettings;
  readonly admin: { readonly host: string; readonly port: number };
  /** Undefined: requests are not traced. */
  readonly tracing: TracingOptions | undefined;
  /** May hold a secret in its path: never to be printed or logged. */
  readonly alertWebhook: string | undefined;
  readonly keys: KeySettings;
  readonly tokens: TokenSettings;
  readonly rotation: RotationChoices;
  readonly users: UserSettings;
  /** How long a stop may take until what is still in flight is cut off. */
  readonly shutdownTimeoutMs: number;
  /** How long a stop goes on serving once it says that it is not ready. */
  readonly drainDelayMs: number;
  /** How long a start waits for a database that is not up yet. */
  readonly databaseWaitMs: number;
  /** Undefined: this server doesn't clean up. */
  readonly cleanup: (CleanupChoices & { readonly everyMs: number }) | undefined;
}

export interface DoctorSettings extends Omit<ServeSettings, 'command'> {
  readonly command: 'doctor';
  /** What Django is, to be compared with; undefined: it is not. */
  readonly adoption:
    | {
        readonly facts: FileText;
        /** Of the options of `serve`, by flag. */
        readonly values: Readonly<Record<string, unknown>>;
      }
    | undefined;
}

export interface FileText {
  /** As it was given. */
  readonly path: string;
  readonly text: string;
}

export interface AdoptSettings extends CommonSettings {
  readonly command: 'adopt';
  /** What the probe printed; undefined: the probe itself is to be printed. */
  readonly facts: FileText | undefined;
  /** An absolute path; undefined: nothing is written. */
  readonly out: string | undefined;
  /** A file that is there is written over. */
  readonly force: boolean;
  readonly userView: string | undefined;
  /** Settings that may be lost. */
  readonly accepted: readonly string[];
  /** An absolute path. Nothing is read from it, and nothing is written. */
  readonly signingKeyFile: string;
}

export interface RedisSettings extends RedisAddress {
  /** What all keys begin with. */
  readonly prefix: string;
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

/** How the tokens of browsers travel in cookies; http/cookies has a file for each style. */
export type CookieSettings =
  | { readonly style: 'own' }
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
    };

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

export interface MigrateSettings extends SharedSettings {
  readonly command: 'migrate';
  readonly action: MigrateAction;
  /** Only these migrations; none named: all. */
  readonly names: readonly string[];
  /** Make simplejwt's tables too, where no Django is in charge of the database. */
  readonly createTables: boolean;
  /** Build an index even where another one covers it. */
  readonly buildCovered: boolean;
  /** Install the triggers that tell of what Django does by itself. */
  readonly notify: boolean;
  /** False: only our own schema, without all that is about simplejwt's tables. */
  readonly tokenTables: boolean;
  readonly users: UserSettings;
  /** The Django schema that ours belongs to, where that can't be told. */
  readonly home: string | undefined;
  /** Whom `grants` are for. */
  readonly role: string | undefined;
  /** Subscribers of a publication of all tables have the tables that are to be made. */
  readonly subscribersReady: boolean;
  /** `repair` only tells what it would do. */
  readonly dryRun: boolean;
  /** `down` drops tables that this tool made, too. */
  readonly dropTables: boolean;
  /** `down` of everything does it, and not only tells what it would do. */
  readonly yes: boolean;
  /** How long one try for a lock may make live traffic wait behind it. */
  readonly lockTimeoutMs: number;
  /** How long others may be in the way. */
  readonly maxWaitMs: number | undefined;
}

/** A part of a load whose rate goes evenly from the one to the other. */
export interface LoadStep {
  readonly durationMs: number;
  readonly fromPerSecond: number;
  readonly toPerSecond: number;
}

export interface BenchSettings extends CommonSettings {
  readonly command: 'bench';
  /** Of the refresh endpoint. Undefined: a server of its own is started. */
  readonly url: string | undefined;
  readonly vs: string | undefined;
  readonly adminUrl: string | undefined;
  readonly users: number;
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly mode: 'closed' | 'open';
  readonly ratePerSecond: number;
  readonly arrivals: 'poisson' | 'constant';
  readonly duplicatesPercent: number;
  readonly tabs: number;
  readonly seed: number;
  /** Of the server. */
  readonly rotation: RotationChoices['policy'];
  /** To begin with; undefined: they are minted with the key. */
  readonly tokens: readonly string[] | undefined;
  readonly signingKey: string | undefined;
  readonly firstUserId: number;
  /** Earlier reports: the bench room knows their shape. */
  readonly baseline: { readonly file: string; readonly reports: readonly object[] } | undefined;
  readonly maxRegressionPercent: number | undefined;
  /** Absolute paths. */
  readonly files: {
    readonly out: string | undefined;
    readonly hgrm: string | undefined;
    readonly html: string | undefined;
    readonly junit: string | undefined;
  };
  /** A file that Markdown is appended to. */
  readonly summaryFile: string | undefined;
  /** Ids of the KPIs that the verdict is about. */
  readonly kpis: readonly string[];
  /** More headers of each refresh, name and value in turn. */
  readonly headers: readonly string[];
  readonly insecure: boolean;
  readonly findCapacity: boolean;
  /** Undefined: the rate is the same all the time. */
  readonly profile: readonly LoadStep[] | undefined;
  readonly limits: readonly {
    readonly name: string;
    readonly percentile: number | 'mean';
    readonly maxMs: number;
  }[];
  /** For a server of its own: this environment without what is ours in it. */
  readonly serverEnvironment: Readonly<Record<string, string>>;
}

export interface CleanupSettings extends SharedSettings {
  readonly command: 'cleanup';
  readonly cleanup: CleanupChoices;
  /** False: there is nothing to clean up. */
  readonly tokenTables: boolean;
  /** Only tell what would go. */
  readonly dryRun: boolean;
  /** Undefined: once. */
  readonly everyMs: number | undefined;
}

export interface RevokeSettings extends SharedSettings {
  readonly command: 'revoke';
  readonly target:
    | { readonly kind: 'user'; readonly userKey: string }
    | { readonly kind: 'session'; readonly id: string }
    | { readonly kind: 'jti'; readonly jti: string }
    /** Never to be printed or logged. */
    | { readonly kind: 'family'; readonly token: string }
    /** `now`, or ISO 8601 with its zone. */
    | { readonly kind: 'issued_before'; readonly at: string };
  /** For the audit. */
  readonly reason: string | undefined;
  /** False: only the count is shown. */
  readonly yes: boolean;
  /** False: there are no rows to be blacklisted, only marks. */
  readonly tokenTables: boolean;
  readonly pace: Pick<CleanupChoices, 'batchSize' | 'targetBatchMs' | 'nice'>;
  /** Only where a family is to be followed. */
  readonly keys: KeySettings | undefined;
  readonly tokens: Pick<TokenSettings, 'audience' | 'issuer' | 'names'>;
  readonly users: UserSettings;
}

export interface AuditSettings extends SharedSettings {
  readonly command: 'audit';
  /** As tokens name it. */
  readonly user: string | undefined;
  readonly since: Since | undefined;
  /** None: all. */
  readonly kinds: readonly DeedKind[];
  /** Undefined: all. */
  readonly limit: number | undefined;
  readonly tokenTables: boolean;
}

export interface DeadLettersSettings extends SharedSettings {
  readonly command: 'dead-letters';
  readonly action: 'list' | 'retry' | 'drop';
  /** Undefined: all. */
  readonly ids: readonly string[] | undefined;
  /** False: `drop` shows only what it means. */
  readonly yes: boolean;
  readonly users: UserSettings;
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

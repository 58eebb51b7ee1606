/**
 * What a command is to do: read once from options and environment, checked, and frozen. The parts are grouped by
 * who takes them, so that compose hands each one on whole.
 */
import type { Algorithm, LogLevel, MigrateAction } from './vocabulary.js';

export interface SharedSettings {
  readonly database: DatabaseSettings;
  /** One JSON document, or JSON lines, on stdout and nothing else there. */
  readonly json: boolean;
  /** Nothing on stderr but warnings and errors. */
  readonly quiet: boolean;
  /** What is logged: --log-level, or where it isn't given `warn` with --quiet, else `info`. */
  readonly logLevel: LogLevel;
  /** Sentences for whoever runs the command, of likely mistakes that are no errors. */
  readonly warnings: readonly string[];
}

export type DatabaseSettings =
  | {
      readonly kind: 'url';
      /** Holds a password as a rule: never to be printed or logged. */
      readonly url: string;
    }
  /** The embedded PostgreSQL in a directory (an absolute path). */
  | { readonly kind: 'embedded'; readonly dataDir: string };

export interface ServeSettings extends SharedSettings {
  readonly command: 'serve';
  /** Connections to a database by URL. The embedded one takes a pool of one, whatever this says. */
  readonly poolSize: number;
  readonly http: HttpSettings;
  readonly admin: { readonly host: string; readonly port: number };
  readonly keys: KeySettings;
  readonly tokens: TokenSettings;
  readonly rotation: RotationChoices;
  readonly users: UserSettings;
  /** How long a stop may take until what is still in flight is cut off. */
  readonly shutdownTimeoutMs: number;
  /** Undefined: this server doesn't clean up. */
  readonly cleanup: (CleanupChoices & { readonly everyMs: number }) | undefined;
}

export interface HttpSettings {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** `/account/token`; '' for the root. No slash at its end. */
  readonly basePath: string;
  readonly maxConnections: number;
  /** PEM texts. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly compat: '5.2' | '5.5';
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
  readonly leewaySeconds: number;
  readonly audience: readonly string[];
  readonly issuer: string | undefined;
  readonly names: { readonly userId: string; readonly jti: string; readonly tokenType: string };
}

export interface RotationChoices {
  readonly blacklist: 'auto' | 'sync';
  readonly requestTimeoutMs: number;
  /** 0: a repeat of a rotated token is refused. */
  readonly reuseGraceMs: number;
  readonly onReuse: 'reject' | 'revoke-family' | 'revoke-user';
}

export interface UserSettings {
  readonly userCheck: 'auto' | 'on' | 'off';
  /** Undefined: the table that user_id refers to, else auth_user. */
  readonly userTable: string | undefined;
  readonly userIdColumn: string;
  readonly userActiveColumn: string;
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
  /** `down` drops tables that this tool made, too. */
  readonly dropTables: boolean;
  /** How long one try for a lock may make live traffic wait behind it. */
  readonly lockTimeoutMs: number;
  /** How long others may be in the way. */
  readonly maxWaitMs: number | undefined;
}

export interface CleanupSettings extends SharedSettings {
  readonly command: 'cleanup';
  readonly cleanup: CleanupChoices;
  /** Only tell what would go. */
  readonly dryRun: boolean;
  /** Undefined: once. */
  readonly everyMs: number | undefined;
}

export interface CleanupChoices {
  /** How long a token must have been expired. */
  readonly retentionMs: number;
  readonly leewayMs: number;
  /** Undefined: steered by the target. */
  readonly batchSize: number | undefined;
  readonly targetBatchMs: number;
  /** Rest for each millisecond of work. */
  readonly nice: number;
  readonly maxRows: number | undefined;
  readonly maxDurationMs: number | undefined;
  readonly vacuum: 'auto' | 'off';
}

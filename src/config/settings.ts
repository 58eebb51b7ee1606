/** What a command is to do: read once from options and environment, checked, and frozen. Its parts are in parts.ts. */
import type { TracingOptions } from '../tracing-options.js';
import type { Since } from './moments.js';
import type { DeedKind } from '../deed-kinds.js';
import type { LogLevel, MigrateAction, Shell } from './vocabulary.js';
import type {
  RedisSettings,
  HttpSettings,
  KeySettings,
  TokenSettings,
  RotationChoices,
  UserSettings,
  CleanupChoices,
  LoadStep,
  FileText,
  DatabaseSettings,
} from './parts.js';

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

export interface ServeSettings extends SharedSettings {
  readonly command: 'serve';
  /** Django's URL: it answers, and what would have been answered here is only compared. Undefined: it is answered here. */
  readonly shadowOf: string | undefined;
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

export interface CompletionSettings extends CommonSettings {
  readonly command: 'completion';
  readonly shell: Shell;
}

/** An option that is given, and by what. */
export interface GivenOption {
  readonly option: string;
  /** As a message names it: `--port`, `PORT`. */
  readonly from: string;
  /** Undefined: it is not for everybody to read. */
  readonly value: string | undefined;
}

export interface SupportBundleSettings extends CommonSettings {
  readonly command: 'support-bundle';
  /** Undefined: stdout. */
  readonly out: string | undefined;
  /** Undefined where the settings are wrong. */
  readonly doctor: DoctorSettings | undefined;
  /** What is wrong with the settings, or likely to be. */
  readonly problems: readonly string[];
  readonly options: readonly GivenOption[];
  /** Texts of options whose values are not told: no word of them may be in the bundle. */
  readonly hidden: readonly string[];
}

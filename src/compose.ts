import { MemoryCache } from './cache/memory.js';
import { toCommandError } from './command-errors.js';
import { CommandError } from './config/errors.js';
import type { MigrateSettings, ServeSettings } from './config/settings.js';
import { createAdminServer, type Readiness } from './http/admin.js';
import { DEFAULT_LIMITS } from './http/limits.js';
import { createPublicServer } from './http/server.js';
import { chainKeyFrom } from './jwt/chain-key.js';
import type { TokenCodec } from './jwt/codec.js';
import { createCodec } from './jwt/create-codec.js';
import { applyMigrations } from './migrate/index.js';
import { describeError } from './observe/errors.js';
import type { Log } from './observe/log.js';
import { metricsSink, type MetricsSink } from './observe/metrics.js';
import { ReleaseStack } from './release.js';
import { createChain, type Chain } from './rotation/chain.js';
import { DoubtfulClaims } from './rotation/doubtful-claims.js';
import type { RotationEvent } from './rotation/events.js';
import type { TokenService } from './rotation/outcomes.js';
import { createTokenService } from './rotation/service.js';
import { openDataDirectory } from './store/data-directory.js';
import { ObservedDatabaseClock } from './store/database-clock.js';
import { startEmbedded } from './store/embedded.js';
import { checkHealth } from './store/health.js';
import { PgDatabase, type PoolOptions } from './store/pool.js';
import { readSchema, type TokenSchema } from './store/schema.js';
import { PgTokenStore } from './store/token-store.js';

export interface Serving {
  readonly publicUrl: string;
  readonly adminUrl: string;
  /** Only with the embedded database: a fresh token to try, for the terminal and never for the log. */
  readonly embedded: { readonly sampleRefreshToken: string; readonly dataDir: string } | undefined;
  /** Stops accepting, finishes what is in flight, closes everything. */
  stop(): Promise<void>;
  /** Rejects when something the server can't do without has broken for good. */
  readonly failed: Promise<never>;
}

/** Group commit lanes: two statements in flight keep the database busy while the next batch gathers (measured). */
const LANES = 2;

/** Live tokens that are remembered: about 100 MB at most. A forgotten one costs a slower statement. */
const CACHE_BOUNDS = { maxActive: 500_000, maxSpent: 100_000 };

/** Claims in doubt that are remembered: an outage's worth of what can be in flight. */
const MAX_DOUBTFUL = 100_000;

/** How often the database is asked for its health and its clock when nobody else asks. */
const HEALTH_EVERY_MS = 5_000;

const monotonicMs = (): number => performance.now();

/**
 * Builds a refresh server out of its parts and starts it.
 *
 * @throws CommandError with what to do about it
 */
export async function startServing(settings: ServeSettings, log: Log): Promise<Serving> {
  const releases = new ReleaseStack();
  try {
    return await compose(settings, log, releases);
  } catch (error) {
    await releases.release().catch(() => undefined);
    throw toCommandError(error, settings.database);
  }
}

async function compose(settings: ServeSettings, log: Log, releases: ReleaseStack): Promise<Serving> {
  const metrics = metricsSink();
  const storage = await openStorage(settings, log, metrics, releases);
  const { database } = storage;
  const schema = await readSchema(database, settings.users);
  tellUserCheck(settings, schema, log);

  const signingKey = settings.keys.signingKey ?? storage.signingKey;
  if (signingKey === undefined) throw new Error('settings without a signing key');
  const codec = await openCodec(settings, signingKey, log);
  const clock = new ObservedDatabaseClock(monotonicMs, Date.now());
  const health = (): ReturnType<typeof checkHealth> => checkHealth(database, schema, clock);
  await health();
  const healthTimer = setInterval(() => void health(), HEALTH_EVERY_MS).unref();
  releases.add(() => clearInterval(healthTimer));

  const store = new PgTokenStore({
    database,
    schema,
    clock,
    lanes: Math.min(LANES, storage.poolSize),
    monotonicMs,
    random: Math.random,
    onBatch: (size) => metrics.onBatch(size),
  });
  const service = createTokenService({
    settings: {
      names: settings.tokens.names,
      accessLifetimeSeconds: settings.tokens.accessLifetimeSeconds,
      refreshLifetimeSeconds: settings.tokens.refreshLifetimeSeconds,
      slidingLifetimeSeconds: settings.tokens.slidingLifetimeSeconds,
      leewaySeconds: settings.tokens.leewaySeconds,
      graceUs: settings.rotation.reuseGraceMs * 1000,
      onReuse: settings.rotation.onReuse,
      requestTimeoutMs: settings.rotation.requestTimeoutMs,
    },
    codec,
    chain: openChain(settings, signingKey, log),
    store,
    cache: new MemoryCache(CACHE_BOUNDS),
    doubtful: new DoubtfulClaims(MAX_DOUBTFUL),
    clock,
    emit: (event) => {
      metrics.onRotationEvent(event);
      logEvent(event, log);
    },
    monotonicMs,
  });

  const { publicUrl, adminUrl } = await listen(settings, service, metrics, log, releases, async () => {
    const state = await health();
    return { ready: state === 'ok', checks: { database: state } };
  });
  log.info('listening', { url: publicUrl, mode: settings.database.kind });
  return {
    publicUrl,
    adminUrl,
    embedded:
      settings.database.kind === 'embedded'
        ? {
            sampleRefreshToken: await sampleToken(settings, codec, clock),
            dataDir: settings.database.dataDir,
          }
        : undefined,
    stop: () => releases.release(),
    failed: storage.failed,
  };
}

interface Storage {
  readonly database: PgDatabase;
  readonly poolSize: number;
  /** The embedded database's own. */
  readonly signingKey: string | undefined;
  readonly failed: Promise<never>;
}

async function openStorage(
  settings: ServeSettings,
  log: Log,
  metrics: MetricsSink,
  releases: ReleaseStack,
): Promise<Storage> {
  const open = (connection: PoolOptions['connection'], size: number): PgDatabase => {
    const database = new PgDatabase({
      connection,
      size,
      statementTimeoutMs: settings.rotation.requestTimeoutMs,
      connectTimeoutMs: Math.min(3_000, settings.rotation.requestTimeoutMs),
      applicationName: 'carelink-tokens serve',
      onStatement: (purpose) => metrics.onStatement(purpose),
      onIdleError: (error) => log.warn('database_connection_lost', describeError(error)),
    });
    releases.add(() => database.end());
    return database;
  };
  if (settings.database.kind === 'url') {
    const database = open(settings.database.url, settings.poolSize);
    return {
      database,
      poolSize: settings.poolSize,
      signingKey: undefined,
      failed: new Promise(() => undefined),
    };
  }
  const directory = await openDataDirectory(settings.database.dataDir, 'serve');
  releases.add(() => directory.release());
  for (const warning of directory.warnings) log.warn('data_directory', { cause: warning });
  const embedded = await startEmbedded({ dataDir: directory.path });
  releases.add(() => embedded.stop());
  await applyMigrations(embedded.connection, { createTables: true });
  return {
    // One session is all that PGlite is (rule 15).
    database: open(embedded.connection, 1),
    poolSize: 1,
    signingKey: directory.signingKey,
    failed: embedded.failed,
  };
}

/** Applies the pending migrations of a database; the command `migrate`. */
export async function runMigrations(
  settings: MigrateSettings,
): Promise<Awaited<ReturnType<typeof applyMigrations>>> {
  const releases = new ReleaseStack();
  try {
    if (settings.database.kind === 'url') {
      return await applyMigrations(settings.database.url, { createTables: settings.createTables });
    }
    const directory = await openDataDirectory(settings.database.dataDir, 'migrate');
    releases.add(() => directory.release());
    const embedded = await startEmbedded({ dataDir: directory.path });
    releases.add(() => embedded.stop());
    return await applyMigrations(embedded.connection, { createTables: true });
  } catch (error) {
    throw toCommandError(error, settings.database);
  } finally {
    await releases.release();
  }
}

async function listen(
  settings: ServeSettings,
  service: TokenService,
  metrics: MetricsSink,
  log: Log,
  releases: ReleaseStack,
  readiness: () => Promise<Readiness>,
): Promise<{ publicUrl: string; adminUrl: string }> {
  const { http, admin, shutdownTimeoutMs } = settings;
  const adminServer = createAdminServer({ readiness, metrics, host: admin.host, log });
  const publicServer = createPublicServer({
    service,
    basePath: http.basePath,
    compat: http.compat,
    tls: http.tls,
    limits: { ...DEFAULT_LIMITS, maxConnections: http.maxConnections },
    observe: metrics,
    log,
  });
  // Stopped in reverse order: the public port drains while the admin port still says so.
  const { url: adminUrl } = await listening(adminServer.listen(admin.host, admin.port), admin);
  releases.add(() => adminServer.close(shutdownTimeoutMs));
  const { url: publicUrl } = await listening(publicServer.listen(http.host, http.port), http);
  releases.add(() => {
    adminServer.startDraining();
    return publicServer.close(shutdownTimeoutMs);
  });
  return { publicUrl, adminUrl };
}

async function listening<T>(started: Promise<T>, at: { host: string; port: number }): Promise<T> {
  try {
    return await started;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new CommandError(
      'LISTEN_FAILED',
      1,
      `Cannot listen on ${at.host}:${at.port} (${code}). ` +
        (code === 'EADDRINUSE'
          ? 'Another process has it: stop that one, or choose another port.'
          : 'Choose another host or port.'),
      { cause: error },
    );
  }
}

async function openCodec(settings: ServeSettings, signingKey: string, log: Log): Promise<TokenCodec> {
  const { keys, tokens } = settings;
  const { codec, warnings } = await createCodec({
    algorithm: keys.algorithm,
    signingKey,
    verifyingKeys: keys.verifyingKeys,
    audience: tokens.audience,
    issuer: tokens.issuer,
    leewaySeconds: tokens.leewaySeconds,
  });
  for (const warning of warnings) log.warn('weak_key', { cause: warning });
  return codec;
}

/**
 * Pinned chain keys, or those that follow from the signing key and, where they are secrets, from its predecessors:
 * then the families that began under an old secret can still be followed.
 */
function openChain(settings: ServeSettings, signingKey: string, log: Log): Chain {
  const { algorithm, chainKeys, verifyingKeys } = settings.keys;
  if (chainKeys.length > 0) return createChain(chainKeys);
  const secrets = algorithm.startsWith('HS') ? [signingKey, ...verifyingKeys] : [signingKey];
  if (settings.database.kind === 'url') {
    log.info('chain_key_follows_signing_key', {
      cause:
        'pin CARELINK_CHAIN_KEY before the signing key is changed, or families that began before are not found',
    });
  }
  return createChain(secrets.map((secret) => chainKeyFrom(secret, algorithm)));
}

function tellUserCheck(settings: ServeSettings, schema: TokenSchema, log: Log): void {
  if (schema.users !== undefined) {
    log.info('user_check_on', { table: schema.users.name });
  } else if (settings.users.userCheck === 'auto' && settings.database.kind === 'url') {
    log.warn('user_check_off', {
      cause: 'no user table found: deactivated and deleted users go on refreshing; name it with --user-table',
    });
  }
}

function logEvent(event: RotationEvent, log: Log): void {
  switch (event.kind) {
    case 'cache_lookup':
      return;
    case 'reuse':
      log.warn('token_reuse', {
        kind: event.reuse,
        ...(event.userKey === undefined ? {} : { user_id: event.userKey }),
      });
      return;
    case 'revocation':
      if (event.end === 'escalated' || event.cause === 'reuse') {
        log.warn('revoked', { cause: event.cause, end: event.end, rows: event.rows });
      }
      return;
    case 'claim_in_doubt':
      log.warn('claim_in_doubt', { outcome: event.resolved ? 'resumed' : 'unknown' });
  }
}

/** A refresh token of user 1, as a login would have given it. */
async function sampleToken(
  settings: ServeSettings,
  codec: TokenCodec,
  clock: ObservedDatabaseClock,
): Promise<string> {
  const { names, refreshLifetimeSeconds } = settings.tokens;
  const iat = Math.floor(clock.nowUs() / 1_000_000);
  return codec.sign({
    [names.tokenType]: 'refresh',
    exp: iat + refreshLifetimeSeconds,
    iat,
    [names.jti]: crypto.randomUUID().replaceAll('-', ''),
    [names.userId]: '1',
  });
}

import { X509Certificate } from 'node:crypto';
import { probeRedis } from '../cache/redis-probe.js';
import type { DoctorSettings } from '../config/settings.js';
import {
  diagnose,
  readDatabaseFacts,
  readTokenSamples,
  type DatabaseEvidence,
  type Diagnosis,
  type Evidence,
  type KeyEvidence,
  type TokenSample,
} from '../doctor/index.js';
import type { TokenCodec } from '../jwt/codec.js';
import { createCodec } from '../jwt/create-codec.js';
import { KeyError } from '../jwt/key-error.js';
import { readMigrationOverview } from '../migrate/index.js';
import { ObservedDatabaseClock } from '../store/database-clock.js';
import { NotConnectedError, SchemaError } from '../store/errors.js';
import { checkHealth } from '../store/health.js';
import { PgDatabase, type PoolOptions } from '../store/pool.js';
import { readRowDates, type RowDates } from '../store/row-dates.js';
import { readSchema } from '../store/schema.js';
import { canonicalUserKey, userKeyTypeOf } from '../store/user-key.js';
import { toCommandError } from './command-errors.js';
import { openEmbedded } from './embedded.js';
import { ReleaseStack } from './release.js';
import { describeError } from '../observe/errors.js';

/** Reading a catalog takes milliseconds; a server that takes longer has told enough. */
const STATEMENT_TIMEOUT_MS = 10_000;

/** Looks at all that `serve` would work with. Changes nothing. */
export async function examine(settings: DoctorSettings): Promise<readonly Diagnosis[]> {
  const releases = new ReleaseStack();
  try {
    return diagnose(await gather(settings, releases));
  } catch (error) {
    throw toCommandError(error, settings.database);
  } finally {
    await releases.release();
  }
}

async function gather(settings: DoctorSettings, releases: ReleaseStack): Promise<Evidence> {
  const place = await openPlace(settings, releases);
  const signingKey = settings.keys.signingKey ?? place.ownKey;
  const { codec, evidence: keys } = await openKeys(settings, signingKey);
  return {
    database: await readDatabase(settings, place.connection, codec, releases),
    redis: await readRedis(settings),
    keys,
    certificate: certificateOf(settings),
    options: {
      algorithm: settings.keys.algorithm,
      userIdClaim: settings.tokens.names.userId,
      userCheck: settings.users.userCheck,
      compat: settings.http.compat,
      poolSize: settings.poolSize,
      refreshLifetimeSeconds: settings.tokens.refreshLifetimeSeconds,
      cleansUp: settings.cleanup !== undefined,
    },
    wallClockMs: Date.now(),
  };
}

async function openPlace(
  { database }: DoctorSettings,
  releases: ReleaseStack,
): Promise<{ connection: PoolOptions['connection']; ownKey: string | undefined }> {
  if (database.kind === 'url') return { connection: database.url, ownKey: undefined };
  const embedded = await openEmbedded(database.dataDir, 'doctor', releases);
  return { connection: embedded.connection, ownKey: embedded.signingKey };
}

async function openKeys(
  { keys, tokens }: DoctorSettings,
  signingKey: string | undefined,
): Promise<{ codec: TokenCodec | undefined; evidence: KeyEvidence }> {
  const hmac = keys.algorithm.startsWith('HS');
  const evidence: KeyEvidence = {
    error: undefined,
    warnings: [],
    secretBytes: hmac && signingKey !== undefined ? Buffer.byteLength(signingKey) : undefined,
    chainKeyPinned: keys.chainKeys.length > 0,
  };
  try {
    const { codec, warnings } = await createCodec({ ...keys, ...tokens, signingKey: signingKey ?? '' });
    return { codec, evidence: { ...evidence, warnings } };
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    return { codec: undefined, evidence: { ...evidence, error: error.message } };
  }
}

async function readDatabase(
  settings: DoctorSettings,
  connection: PoolOptions['connection'],
  codec: TokenCodec | undefined,
  releases: ReleaseStack,
): Promise<DatabaseEvidence> {
  const embedded = settings.database.kind === 'embedded';
  const database = new PgDatabase({
    connection,
    size: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    connectTimeoutMs: STATEMENT_TIMEOUT_MS,
    applicationName: 'carelink-tokens doctor',
    onStatement: () => undefined,
    onIdleError: () => undefined,
  });
  let ended = false;
  const end = (): Promise<void> => {
    if (ended) return Promise.resolve();
    ended = true;
    return database.end();
  };
  releases.add(end);
  try {
    const { facts, nowMs } = await readDatabaseFacts(database);
    const clockAheadMs = Date.now() - nowMs;
    const schema = await readSchemaOf(settings, database);
    const userKeyType = schema.kind === 'read' ? userKeyTypeOf(schema.userIdType) : 'text';
    const samples = facts.outstanding
      ? await readTokenSamples(database, (token) =>
          sampleOf(token, settings, codec, (key) => canonicalUserKey(userKeyType, key) !== undefined),
        )
      : [];
    const rowDates = facts.outstanding && facts.blacklisted ? await readDatesOf(database) : undefined;
    // One session is all that PGlite is: the overview opens its own.
    await end();
    const overview = await readMigrationOverview(connection, {
      buildCovered: false,
      createTables: embedded,
    }).catch(() => undefined);
    return { kind: 'reached', embedded, facts, clockAheadMs, overview, schema, samples, rowDates };
  } catch (error) {
    if (!(error instanceof NotConnectedError)) throw error;
    const told = toCommandError(error, settings.database);
    return {
      kind: 'unreachable',
      message: told instanceof Error ? told.message : 'PostgreSQL does not answer.',
    };
  }
}

type SchemaEvidence = Extract<DatabaseEvidence, { kind: 'reached' }>['schema'];

/** What a role may not read is told of by other checks. */
function readDatesOf(database: PgDatabase): Promise<RowDates | undefined> {
  const query = <Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    database.query<Row>('health', { text, values });
  const tables = {
    outstanding: 'token_blacklist_outstandingtoken',
    blacklisted: 'token_blacklist_blacklistedtoken',
  };
  return readRowDates(query, tables).catch(() => undefined);
}

async function readSchemaOf(settings: DoctorSettings, database: PgDatabase): Promise<SchemaEvidence> {
  try {
    const schema = await readSchema(database, settings.users);
    const clock = new ObservedDatabaseClock(() => performance.now(), Date.now());
    const health = await checkHealth(database, schema, clock, () => performance.now());
    const userIdType = schema.users?.keyType ?? schema.userIdType;
    return { kind: 'read', userIdType, userTable: schema.users?.name, health };
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    return { kind: 'refused', code: error.code, message: error.message };
  }
}

interface Payload extends Readonly<Record<string, unknown>> {
  readonly iat?: unknown;
  readonly exp?: unknown;
}

/** Read without its signature: it says how tokens look, and is never acted on. */
async function sampleOf(
  token: string,
  settings: DoctorSettings,
  codec: TokenCodec | undefined,
  fits: (userKey: string) => boolean,
): Promise<TokenSample | undefined> {
  const [head = '', body = ''] = token.split('.');
  let header: Readonly<Record<string, unknown>>;
  let claims: Payload;
  try {
    header = JSON.parse(Buffer.from(head, 'base64url').toString()) as typeof header;
    claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Payload;
  } catch {
    return undefined;
  }
  const issued = typeof claims.iat === 'number' ? claims.iat : undefined;
  const verdict = await codec?.verify(token, (issued ?? 0) * 1_000_000);
  const userId = claims[settings.tokens.names.userId];
  const known = typeof userId === 'number' || typeof userId === 'string';
  return {
    algorithm: typeof header['alg'] === 'string' ? header['alg'].slice(0, 10) : 'nothing',
    verified: verdict?.ok === true,
    userId: !known
      ? 'absent'
      : !fits(String(userId))
        ? 'unfit'
        : typeof userId === 'number'
          ? 'number'
          : 'text',
    claims: Object.keys(claims)
      .map((name) => name.slice(0, 40))
      .slice(0, 20),
    lifetimeSeconds:
      issued !== undefined && typeof claims.exp === 'number' ? Math.round(claims.exp - issued) : undefined,
  };
}

async function readRedis({ redis }: DoctorSettings): Promise<Evidence['redis']> {
  if (redis === undefined) return undefined;
  try {
    return { kind: 'reached', ...(await probeRedis(redis)) };
  } catch (error) {
    const { error_code, error_name } = describeError(error);
    return { kind: 'unreachable', code: error_code ?? error_name };
  }
}

function certificateOf({ http }: DoctorSettings): Evidence['certificate'] {
  if (http.tls === undefined) return undefined;
  const { subject, validTo } = new X509Certificate(http.tls.cert);
  return { subject: subject.replaceAll('\n', ', '), validToMs: Date.parse(validTo) };
}

import { X509Certificate } from 'node:crypto';
import { RedisKeys } from '../cache/partition.js';
import { adopt, compareWith } from '../adopt/index.js';
import { placeOf } from '../redis-address.js';
import { ownedBy } from '../cache/redis-faults.js';
import { probeRedis, RedisAwayError, RedisRefusedError } from '../cache/redis-probe.js';
import { CommandError } from '../config/errors.js';
import type { DoctorSettings } from '../config/settings.js';
import {
  attempt,
  diagnose,
  readDatabaseFacts,
  readForChecks,
  readSampleRows,
  type DatabaseEvidence,
  type Diagnosis,
  type Evidence,
  type KeyEvidence,
  type SchemaEvidence,
} from '../doctor/index.js';
import { createCodec } from '../jwt/create-codec.js';
import { KeyError } from '../jwt/key-error.js';
import { readMigrationOverview, type Overview } from '../migrate/index.js';
import { describeError } from '../observe/errors.js';
import { askOf } from '../store/database.js';
import { ObservedDatabaseClock } from '../store/database-clock.js';
import { NotConnectedError, SchemaError } from '../store/errors.js';
import { checkHealth } from '../store/health.js';
import { PgDatabase, type PoolOptions } from '../store/pool.js';
import { readSchema, readSiteSchema, type TokenSchema } from '../store/schema.js';
import { readFacts } from './adopt.js';
import { databaseTarget } from './database-target.js';
import { hasDoubledKeys, probeUserView } from '../store/user-probe.js';
import { toCommandError } from './command-errors.js';
import { openEmbedded } from './embedded.js';
import { exampleSecrets } from './example-secrets.js';
import { ReleaseStack } from './release.js';
import { judgeSamples } from './samples.js';
import { chainOf } from './tokens.js';

/** Reading a catalog takes milliseconds; a server that takes longer has told enough. */
const STATEMENT_TIMEOUT_MS = 10_000;

/** What was found, and where the migrations stand; undefined: the database can't tell. */
interface Examination {
  readonly diagnoses: readonly Diagnosis[];
  readonly migrations: readonly Pick<Overview['migrations'][number], 'name' | 'state'>[] | undefined;
}

/** Looks at all that `serve` would work with. Changes nothing. */
export async function examine(settings: DoctorSettings): Promise<readonly Diagnosis[]> {
  return (await inspect(settings)).diagnoses;
}

/** As `examine`, and tells of migrations too. */
export async function inspect(settings: DoctorSettings): Promise<Examination> {
  const releases = new ReleaseStack();
  try {
    const evidence = await gather(settings, releases);
    const overview = evidence.database.kind === 'reached' ? evidence.database.overview : undefined;
    const migrations = overview !== undefined && 'value' in overview ? overview.value.migrations : undefined;
    return { diagnoses: diagnose(evidence), migrations };
  } catch (error) {
    throw toCommandError(error, settings.database);
  } finally {
    await releases.release();
  }
}

async function gather(settings: DoctorSettings, releases: ReleaseStack): Promise<Evidence> {
  const place = await openPlace(settings, releases);
  const signingKey = settings.keys.signingKey ?? place.ownKey;
  const { tokens, keys } = settings;
  // Before anything is connected: a file without facts is a mistake on the command line.
  if (settings.adoption !== undefined) readFacts(settings.adoption.facts);
  const database = await readDatabase(settings, place.connection, signingKey, releases);
  return {
    database,
    redis: await readRedis(settings),
    keys: await readKeys(settings, signingKey),
    certificate: certificateOf(settings),
    options: {
      ...tokens,
      algorithm: keys.algorithm,
      userCheck: settings.users.userCheck,
      blacklist: settings.rotation.blacklist,
      compat: settings.http.compat,
      poolSize: settings.poolSize,
      cleansUp: settings.cleanup !== undefined,
      rotation: settings.rotation.policy,
      tokenTables: settings.rotation.tokenTables,
    },
    adoption: adoptionOf(settings, database),
    wallClockMs: Date.now(),
  };
}

/** @throws {ConfigError} where the file holds no facts */
function adoptionOf({ adoption, users }: DoctorSettings, database: DatabaseEvidence): Evidence['adoption'] {
  if (adoption === undefined) return undefined;
  const facts = readFacts(adoption.facts);
  // A view stands for what Python decides in Django.
  const seen = database.kind === 'reached' && database.schema.kind === 'read' ? database.schema : undefined;
  const userView = seen?.view === undefined ? undefined : users.userTable;
  const { rows, options } = adopt(facts, { userView, signingKeyFile: '/' });
  return {
    mismatches: compareWith(facts, rows, options, adoption.values),
    lost: rows.filter(({ verdict }) => verdict === 'cannot'),
  };
}

async function openPlace(
  { database }: DoctorSettings,
  releases: ReleaseStack,
): Promise<{ connection: PoolOptions['connection']; ownKey: string | undefined }> {
  if (database.kind === 'url') return { connection: databaseTarget(database), ownKey: undefined };
  const embedded = await openEmbedded(database.dataDir, 'doctor', releases);
  return { connection: embedded.connection, ownKey: embedded.signingKey };
}

async function readKeys(settings: DoctorSettings, signingKey: string | undefined): Promise<KeyEvidence> {
  const { keys, tokens } = settings;
  const secret = keys.algorithm.startsWith('HS') ? signingKey : undefined;
  const evidence: KeyEvidence = {
    error: undefined,
    warnings: [],
    secretBytes: secret === undefined ? undefined : Buffer.byteLength(secret),
    examples: exampleSecrets(settings, secret),
    chainKeyPinned: keys.chainKeys.length > 0,
    follows: undefined,
  };
  try {
    const { warnings } = await createCodec({ ...keys, ...tokens, signingKey: signingKey ?? '' });
    if (signingKey === undefined) return { ...evidence, warnings };
    const chain = chainOf(keys, signingKey);
    return {
      ...evidence,
      warnings,
      follows: (jti, successor) => chain.candidatesAfter(jti).includes(successor),
    };
  } catch (error) {
    const { error_code, error_name } = describeError(error);
    const told =
      error instanceof KeyError ? error.message : `The keys can't be read (${error_code ?? error_name}).`;
    return { ...evidence, error: told };
  }
}

/** Each look by itself: what one of them is refused is no reason for another to know nothing. */
async function readDatabase(
  settings: DoctorSettings,
  connection: PoolOptions['connection'],
  signingKey: string | undefined,
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
    const { evidence: schema, read } = await readSchemaOf(settings, database);
    const samples = await attempt(async () => {
      if (!facts.outstanding) return [];
      const blacklist = facts.tables.find(({ name, visible }) => visible && name === BLACKLISTED);
      const tables = {
        outstanding: read?.outstanding ?? OUTSTANDING,
        blacklisted: blacklist?.readable === true ? (read?.blacklisted ?? BLACKLISTED) : undefined,
      };
      const rows = await readSampleRows(database, tables, SAMPLES);
      const { keys, tokens } = settings;
      return judgeSamples(database, rows, { keys, tokens, signingKey, schema: read, nowUs: nowMs * 1000 });
    });
    const readings = await readForChecks(database, facts);
    // One session is all that PGlite is: the overview opens its own.
    await end();
    const overview = await attempt(() =>
      readMigrationOverview(connection, {
        buildCovered: false,
        createTables: embedded,
        users: settings.users,
        tokenTables: settings.rotation.tokenTables,
      }),
    );
    return { kind: 'reached', embedded, facts, nowMs, clockAheadMs, overview, schema, samples, readings };
  } catch (error) {
    return unreachable(error, settings);
  }
}

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

/** A look at a few dozen signatures takes no time, and says more of a table that two applications share. */
const SAMPLES = { newest: 24, further: 8 };

function unreachable(error: unknown, { database }: DoctorSettings): DatabaseEvidence {
  const cause = error instanceof NotConnectedError ? error.cause : error;
  const { error_code: code, error_name } = describeError(cause);
  const told = toCommandError(error, database);
  const message =
    told instanceof CommandError
      ? told.message
      : `The database answers, and can't be worked with (${code ?? error_name}).`;
  // TLS has codes by the dozen, and some of its refusals none.
  const ofTls = told instanceof CommandError && told.code === 'DATABASE_TLS_FAILED';
  return { kind: 'unreachable', message, code: ofTls ? told.code : code };
}

async function readSchemaOf(
  settings: DoctorSettings,
  database: PgDatabase,
): Promise<{ evidence: SchemaEvidence; read: TokenSchema | undefined }> {
  const reading = await attempt(
    async (): Promise<{ evidence: SchemaEvidence; read: TokenSchema | undefined }> => {
      try {
        const users = {
          ...settings.users,
          slidingEnd: settings.tokens.names.slidingEnd,
          mayLackUsers: settings.database.kind === 'embedded',
        };
        const read = settings.rotation.tokenTables ? await readSchema(database, users) : undefined;
        const site = read ?? (await readSiteSchema(askOf(database), users));
        const clock = new ObservedDatabaseClock(() => performance.now(), Date.now());
        const health = await checkHealth(database, site, clock, () => performance.now());
        const userIdType = site.users?.keyType ?? read?.userIdType ?? site.userKeyType;
        // What health says already another check tells.
        if (health === 'ok') await probeUserView(askOf(database), read ?? site);
        const isView = site.users?.kind === 'view';
        return {
          evidence: {
            kind: 'read',
            userIdType,
            userTable: site.users?.name,
            health,
            unreadColumns: site.users?.unread ?? [],
            view: isView
              ? { doubled: await attempt(() => hasDoubledKeys(askOf(database), site)) }
              : undefined,
          },
          read,
        };
      } catch (error) {
        if (!(error instanceof SchemaError)) throw error;
        return { evidence: { kind: 'refused', code: error.code, message: error.message }, read: undefined };
      }
    },
  );
  return 'value' in reading
    ? reading.value
    : { evidence: { kind: 'unread', why: reading.why }, read: undefined };
}

async function readRedis({ redis }: DoctorSettings): Promise<Evidence['redis']> {
  if (redis === undefined) return undefined;
  try {
    const keys = new RedisKeys(redis.prefix);
    const facts = await probeRedis(redis, keys);
    return { kind: 'reached', ...facts, ownedBy: (id) => ownedBy(facts.owner ?? '', id, keys).message };
  } catch (error) {
    if (error instanceof RedisRefusedError) return { kind: 'refused', message: error.message };
    if (!(error instanceof RedisAwayError)) throw error;
    return { kind: 'unreachable', place: placeOf(redis), why: error.message };
  }
}

function certificateOf({ http }: DoctorSettings): Evidence['certificate'] {
  if (http.tls === undefined) return undefined;
  const { subject, validTo } = new X509Certificate(http.tls.cert);
  return { subject: subject.replaceAll('\n', ', '), validToMs: Date.parse(validTo) };
}

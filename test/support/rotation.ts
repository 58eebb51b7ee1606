import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryCache } from '../../src/cache/memory.js';
import type { DatabaseClock, TokenCache } from '../../src/rotation/ports.js';
import { openLetters } from '../../src/compose/letters.js';
import { openSpendingCache } from '../../src/compose/cache.js';
import type { SharedCache } from '../../src/compose/shared-cache.js';
import { ReleaseStack } from '../../src/compose/release.js';
import { createLog } from '../../src/observe/log.js';
import type { ChangeFeed } from '../../src/rotation/change-feed.js';
import { createCodec } from '../../src/jwt/create-codec.js';
import { createChain } from '../../src/rotation/chain.js';
import type { RotationContext, RotationSettings } from '../../src/rotation/context.js';
import { DoubtfulClaims } from '../../src/rotation/doubtful-claims.js';
import type { RotationEvent } from '../../src/rotation/events.js';
import type { TokenService } from '../../src/rotation/outcomes.js';
import { NO_ADDED_CLAIMS, OFFERED_CLAIMS } from '../../src/rotation/policy.js';
import { createTokenService } from '../../src/rotation/service.js';
import { Walks } from '../../src/rotation/walks.js';
import type { Database, Purpose, Statement } from '../../src/store/database.js';
import { ObservedDatabaseClock } from '../../src/store/database-clock.js';
import { NotConnectedError } from '../../src/store/errors.js';
import { PgReissues } from '../../src/store/reissues.js';
import { readSchema, type TokenSchema } from '../../src/store/schema.js';
import { PgRevocations } from '../../src/store/revocations.js';
import { PgTokenStore } from '../../src/store/token-store.js';
import type { UserOptions } from '../../src/store/user-source.js';
import { testDatabase } from './database.js';
import { PLAIN_CODEC, PLAIN_ROTATION } from './plain-rotation.js';
import { TEST_SIGNING_KEY } from './tokens.js';

export interface Instance {
  readonly service: TokenService;
  readonly store: PgTokenStore;
  readonly revocations: PgRevocations;
  readonly schema: TokenSchema;
  readonly events: RotationEvent[];
  /** Statements sent, by purpose. */
  readonly statements: Map<Purpose, number>;
  /** What happens to the next statements of a purpose; see `Fault`. */
  readonly faults: Fault[];
  readonly batches: number[];
  /** Users of whom it was told that their row of the view failed. */
  readonly badRows: string[];
  /** How the claims ended that were written behind. */
  readonly written: string[];
  readonly status: () => ReturnType<SharedCache['status']> | undefined;
  close(): Promise<void>;
}

/** A fault of the network or the server, at the seam under all SQL: the statement itself is run for real, or not. */
export interface Fault {
  readonly purpose: Purpose;
  /**
   * `answer_lost`: it is run and its answer never comes. `sent_in_vain`: the same, but the server never got to run it.
   * `not_sent`: it isn't run. A function: called before it runs. `answerLateMs`: its answer is on the way so long.
   */
  readonly what:
    'answer_lost' | 'sent_in_vain' | 'not_sent' | (() => Promise<void>) | { readonly answerLateMs: number };
}

export interface InstanceOptions extends Partial<RotationSettings> {
  readonly chainKeys?: readonly Buffer[];
  readonly userCheck?: 'auto' | 'on' | 'exists' | 'off';
  /** As --user-table and its like. */
  readonly users?: Partial<UserOptions>;
  /** Instead of a memory of its own. */
  readonly cache?: TokenCache;
  /** Shares what it knows over this Redis, and claims in it. */
  readonly shared?: {
    readonly port: number;
    readonly blacklist?: 'auto' | 'sync' | 'async';
    readonly maxOwed?: number;
    /** Long enough for a busy machine, unless a test wants Redis to be given up. */
    readonly redisTimeoutMs?: number;
    readonly feed?: ChangeFeed;
  };
  /** Of log-outs and revocations; half of the pool, as `serve` has it, unless a test wants fewer. */
  readonly revoking?: number;
  /** Nobody is told of its rotations. */
  readonly quiet?: boolean;
  /** Instead of what it learns from the database's answers. */
  readonly clock?: DatabaseClock;
}

const CHAIN_KEY = randomBytes(32);

/** As `serve` has them. */
const POOL_SIZE = 8;
const VIEW_SHARE = 0.3;

/** One instance as `serve` composes it, without its HTTP port: several of them on one database make a fleet. */
export async function startInstance(databaseUrl: string, options: InstanceOptions = {}): Promise<Instance> {
  const {
    chainKeys = [CHAIN_KEY],
    userCheck = 'auto',
    cache,
    shared,
    clock: given,
    quiet = false,
    revoking = POOL_SIZE / 2,
    users,
    ...settings
  } = options;
  const monotonicMs = () => performance.now();
  const events: RotationEvent[] = [];
  const statements = new Map<Purpose, number>();
  const faults: Fault[] = [];
  const batches: number[] = [];
  const badRows: string[] = [];
  const pool = testDatabase(databaseUrl, {
    size: POOL_SIZE,
    quiet,
    onStatement: (purpose) => statements.set(purpose, (statements.get(purpose) ?? 0) + 1),
  });
  const database = withFaults(pool, faults);
  const schema = await readSchema(pool, {
    userCheck,
    userTable: undefined,
    userIdColumn: undefined,
    userActiveColumn: 'is_active',
    ...users,
  });
  if (schema.users?.kind === 'view')
    await pool.limitStatements(VIEW_SHARE * (settings.requestTimeoutMs ?? 5_000));
  const clock = new ObservedDatabaseClock(monotonicMs, Date.now());
  const releases = new ReleaseStack();
  releases.add(() => pool.end());
  const unwritten = await openLetters(pool, schema, { alone: false, onCount: () => undefined }, releases);
  const store = new PgTokenStore({
    database,
    schema,
    clock,
    lanes: 2,
    monotonicMs,
    random: Math.random,
    onBatch: (size) => batches.push(size),
    unwritten: unwritten.letters,
    onBadRow: (userKey) => badRows.push(userKey),
  });
  const revocations = new PgRevocations({
    database,
    schema,
    lanes: 2,
    connections: revoking,
    monotonicMs,
    random: Math.random,
    unwritten: unwritten.letters,
  });
  const site = { kind: 'tables', schema, records: settings.rotation === 'keep' } as const;
  const reissues = new PgReissues({
    onBadRow: (userKey) => badRows.push(userKey),
    database,
    site,
    clock,
    lanes: 2,
    monotonicMs,
    random: Math.random,
    onBatch: (size) => batches.push(size),
    unwritten: unwritten.letters,
  });
  const { codec } = await createCodec({ ...PLAIN_CODEC, signingKey: TEST_SIGNING_KEY });
  const written: string[] = [];
  const sharing =
    shared &&
    (await openSpendingCache(
      {
        passwordHashOf: undefined,
        redis: {
          kind: 'single',
          nodes: [{ host: '127.0.0.1', port: shared.port }],
          path: undefined,
          masterName: undefined,
          sentinel: undefined,
          tls: undefined,
          username: undefined,
          password: undefined,
          database: 0,
          prefix: 'carelink_tokens',
        },
        blacklist: shared.blacklist ?? 'async',
        requestTimeoutMs: settings.requestTimeoutMs ?? 5_000,
        refreshLifetimeMs: 12 * 3_600_000,
        shutdownTimeoutMs: 2_000,
        redisTimeoutMs: shared.redisTimeoutMs ?? 10_000,
        ...(shared.maxOwed !== undefined && { maxOwed: shared.maxOwed }),
        database,
        schema,
        clock: given ?? clock,
        unwritten,
        monotonicMs,
        metrics: {
          onBackgroundWrite: (result) => written.push(result),
          watchOutbox: () => undefined,
        },
        log: createLog({ level: 'silent', destination: { write: () => undefined } }),
        onRedis: () => undefined,
      },
      releases,
    ));
  const context: RotationContext = {
    settings: {
      ...PLAIN_ROTATION,
      addedClaims: settings.rotation === 'offered' ? OFFERED_CLAIMS : NO_ADDED_CLAIMS,
      ...settings,
    },
    codec,
    chain: createChain(chainKeys),
    store,
    revocations,
    reissuing: { store: reissues, freshId: () => randomBytes(16).toString('hex') },
    cache: sharing?.cache ?? cache ?? new MemoryCache({ maxActive: 10_000, maxSpent: 10_000 }),
    outbox: sharing?.outbox,
    doubtful: new DoubtfulClaims(1_000),
    walks: new Walks({ requestTimeoutMs: settings.requestTimeoutMs ?? 5_000, monotonicMs }),
    clock: given ?? clock,
    emit: (event) => events.push(event),
    monotonicMs,
  };
  sharing?.start(() => context, shared?.feed);
  // One that starts waits for Redis only so long, and on a busy machine goes on without: that is not what is tested.
  while (sharing !== undefined && (await sharing.check()) !== 'ok') await sleep(20);
  const service = createTokenService(() => context);
  return {
    service,
    store,
    revocations,
    schema,
    events,
    statements,
    faults,
    batches,
    badRows,
    written,
    status: () => sharing?.status(),
    close: () => releases.release(),
  };
}

function withFaults(database: Database, faults: Fault[]): Database {
  return {
    async query<Row>(purpose: Purpose, statement: Statement): Promise<Row[]> {
      const at = faults.findIndex((fault) => fault.purpose === purpose);
      const what = at < 0 ? undefined : faults.splice(at, 1)[0]?.what;
      if (what === 'not_sent') throw new NotConnectedError('no connection');
      if (what === 'sent_in_vain') throw new Error('Connection terminated unexpectedly');
      if (typeof what === 'function') await what();
      const rows = await database.query<Row>(purpose, statement);
      if (what === 'answer_lost') throw new Error('Connection terminated unexpectedly');
      if (typeof what === 'object') await new Promise((resolve) => setTimeout(resolve, what.answerLateMs));
      return rows;
    },
  };
}

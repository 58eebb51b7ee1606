import { MemoryCache } from '../../src/cache/memory.js';
import { observing } from '../../src/compose/observe.js';
import { ReleaseStack } from '../../src/compose/release.js';
import { createAdminServer } from '../../src/http/admin.js';
import { DEFAULT_LIMITS } from '../../src/http/limits.js';
import { createPublicServer } from '../../src/http/server.js';
import { createCodec } from '../../src/jwt/create-codec.js';
import { createLog } from '../../src/observe/log.js';
import { createChain } from '../../src/rotation/chain.js';
import type { RotationContext } from '../../src/rotation/context.js';
import { DoubtfulClaims } from '../../src/rotation/doubtful-claims.js';
import type { TokenStore } from '../../src/rotation/ports.js';
import { createTokenService } from '../../src/rotation/service.js';
import { Walks } from '../../src/rotation/walks.js';
import { countBlacklisted } from '../../src/store/audit.js';
import { ObservedDatabaseClock } from '../../src/store/database-clock.js';
import type { PgDatabase } from '../../src/store/pool.js';
import { readSchema } from '../../src/store/schema.js';
import { PgRevocations } from '../../src/store/revocations.js';
import { PgTokenStore } from '../../src/store/token-store.js';
import { testDatabase } from './database.js';
import { pathsUnder } from './endpoint-paths.js';
import { PLAIN_CODEC, PLAIN_ROTATION } from './plain-rotation.js';
import { TEST_SIGNING_KEY } from './tokens.js';

/** What is wrong with a server, on purpose: one KPI each. */
export type Fault = 'slow' | 'chatty' | 'forgetful' | 'lossy' | 'faulty';

/** Of the contract's 5 s a tenth, so that a test needn't wait for them: a row is written before its answer here. */
const AUDIT_DUE_MS = 500;

export interface BenchServer {
  readonly url: string;
  readonly adminUrl: string;
  stop(): Promise<void>;
}

/** A server of the real parts on a real database, whose fault is in how they are put together. */
export async function startBenchServer(databaseUrl: string, faults: readonly Fault[]): Promise<BenchServer> {
  const releases = new ReleaseStack();
  const monotonicMs = () => performance.now();
  const metrics = observing(monotonicMs, { auditDueMs: AUDIT_DUE_MS });
  const database = testDatabase(databaseUrl, {
    size: 4,
    onStatement: (purpose) => metrics.onStatement(purpose),
  });
  releases.add(() => database.end());
  const users = {
    userCheck: 'off',
    userTable: undefined,
    userIdColumn: undefined,
    userActiveColumn: 'is_active',
  } as const;
  const schema = await readSchema(database, users);
  metrics.startAudit((jtis) => countBlacklisted(database, schema, jtis), releases);
  const clock = new ObservedDatabaseClock(monotonicMs, Date.now());
  const store = new PgTokenStore({
    database, schema, clock, lanes: 2, monotonicMs, random: Math.random, onBatch: (size) => metrics.onBatch(size),
  }); // prettier-ignore
  const revocations = new PgRevocations({
    database,
    schema,
    lanes: 2,
    connections: 4,
    monotonicMs,
    random: Math.random,
  });
  const log = createLog({ level: 'error', destination: process.stderr });
  const { codec } = await createCodec({ ...PLAIN_CODEC, signingKey: TEST_SIGNING_KEY });
  const context: RotationContext = {
    settings: PLAIN_ROTATION,
    codec,
    chain: createChain([Buffer.alloc(32, 1)]),
    store: faulty(store, database, faults),
    revocations,
    reissuing: undefined,
    outbox: undefined,
    cache: new MemoryCache({ maxActive: faults.includes('forgetful') ? 1 : 10_000, maxSpent: 10_000 }),
    doubtful: new DoubtfulClaims(1_000),
    walks: new Walks({ requestTimeoutMs: 5_000, monotonicMs }),
    clock,
    emit: (event) => metrics.onRotationEvent(event),
    monotonicMs,
  };
  const service = createTokenService(() => context);
  const server = createPublicServer({
    service, paths: pathsUnder('/account/token'), slidingEnd: 'refresh_exp', compat: '5.5', limits: DEFAULT_LIMITS, observe: metrics, log,
  }); // prettier-ignore
  const readiness = () => Promise.resolve({ ready: true, checks: {} });
  const admin = createAdminServer({ readiness, metrics, kpis: () => metrics.kpis(), host: 'localhost', log });
  releases.add(() => admin.close(100));
  releases.add(() => server.close(100));
  const { url } = await server.listen('127.0.0.1', 0);
  const { url: adminUrl } = await admin.listen('127.0.0.1', 0);
  return { url, adminUrl, stop: () => releases.release() };
}

/** Longer than the 30 ms of the target; so long that a user's tabs meet in it on a busy machine, too; far shorter than a time-out. */
const SLOW_MS = 200;

function faulty(store: PgTokenStore, database: PgDatabase, faults: readonly Fault[]): TokenStore {
  let claims = 0;
  const claim: TokenStore['claim'] = async (one, deadlineMs) => {
    claims += 1;
    if (faults.includes('faulty') && claims % 20 === 0) return { kind: 'unavailable', sent: false };
    if (faults.includes('slow')) await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    if (faults.includes('chatty'))
      for (let n = 0; n < 2; n++) await database.query('lookup', { text: 'SELECT 1' });
    const result = await store.claim(one, deadlineMs);
    if (faults.includes('lossy') && claims % 20 === 0) {
      const text = `DELETE FROM token_blacklist_blacklistedtoken b USING token_blacklist_outstandingtoken o
                     WHERE b.token_id = o.id AND o.jti = $1`;
      await database.query('cleanup', { text, values: [one.jti] });
    }
    return result;
  };
  // Its methods live on its prototype: the copy has them, too, and they find the private parts of the original.
  return new Proxy<TokenStore>(store, {
    get: (target, name) => {
      if (name === 'claim') return claim;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

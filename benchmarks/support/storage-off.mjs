// The refresh server with its storage switched off: every claim is won at once. It does all else: HTTP, both
// signatures, the chain, the cache, metrics. What it reaches is the most that storage could leave.
import { MemoryCache } from '../../dist/cache/memory.js';
import { DEFAULT_LIMITS } from '../../dist/http/limits.js';
import { createPublicServer } from '../../dist/http/server.js';
import { createCodec } from '../../dist/jwt/create-codec.js';
import { createLog } from '../../dist/observe/log.js';
import { metricsSink } from '../../dist/observe/metrics.js';
import { createChain } from '../../dist/rotation/chain.js';
import { DoubtfulClaims } from '../../dist/rotation/doubtful-claims.js';
import { createTokenService } from '../../dist/rotation/service.js';

const metrics = metricsSink();
let rows = 0;
const store = {
  canHold: () => true,
  canonicalUserKey: (key) => key,
  takes: () => true,
  claim: () => Promise.resolve({ kind: 'won', successorRowId: String(++rows) }),
};
const { codec } = await createCodec({
  algorithm: 'HS256',
  signingKey: process.env.CARELINK_SIGNING_KEY,
  verifyingKeys: [],
  audience: [],
  issuer: undefined,
  leewaySeconds: 0,
});
const service = createTokenService({
  settings: {
    names: { jti: 'jti', tokenType: 'token_type', userId: 'user_id', slidingEnd: 'refresh_exp' },
    accessLifetimeSeconds: 900,
    refreshLifetimeSeconds: 43_200,
    slidingLifetimeSeconds: 900,
    graceUs: 0,
    onReuse: 'reject',
    leewaySeconds: 0,
    requestTimeoutMs: 5_000,
  },
  codec,
  chain: createChain([Buffer.alloc(32, 1)]),
  store,
  cache: new MemoryCache({ maxActive: 500_000, maxSpent: 100_000 }),
  doubtful: new DoubtfulClaims(1_000),
  clock: { nowUs: () => Date.now() * 1000 },
  emit: (event) => metrics.onRotationEvent(event),
  monotonicMs: () => performance.now(),
});
const server = createPublicServer({
  service,
  paths: {
    refresh: '/account/token/refresh',
    verify: '/account/token/verify',
    blacklist: '/account/token/blacklist',
    sliding: '/account/token/sliding/refresh',
  },
  slidingEnd: 'refresh_exp',
  compat: '5.5',
  limits: DEFAULT_LIMITS,
  observe: metrics,
  log: createLog({ level: 'warn', destination: process.stderr }),
});
const { url } = await server.listen('127.0.0.1', 0);
console.log(JSON.stringify({ event: 'listening', url }));
process.on('SIGTERM', () => void server.close(1_000).then(() => process.exit(0)));

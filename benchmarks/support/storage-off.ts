/**
 * The refresh server with its storage switched off: every claim is won at once. It does all else: HTTP, both signatures,
 * the chain, the cache, metrics. What it reaches is the most that storage could leave. bundle.ts makes a script of it.
 */
import { MemoryCache } from '../../src/cache/memory.js';
import { DEFAULT_LIMITS } from '../../src/http/limits.js';
import { createPublicServer } from '../../src/http/server.js';
import { createCodec } from '../../src/jwt/create-codec.js';
import { createLog } from '../../src/observe/log.js';
import { metricsSink } from '../../src/observe/metrics.js';
import { createChain } from '../../src/rotation/chain.js';
import type { RotationContext } from '../../src/rotation/context.js';
import { DoubtfulClaims } from '../../src/rotation/doubtful-claims.js';
import type { TokenStore } from '../../src/rotation/ports.js';
import { createTokenService } from '../../src/rotation/service.js';
import { Walks } from '../../src/rotation/walks.js';
import { pathsUnder } from '../../test/support/endpoint-paths.js';
import { PLAIN_CODEC, PLAIN_ROTATION } from '../../test/support/plain-rotation.js';

const metrics = metricsSink();
const monotonicMs = (): number => performance.now();
let rows = 0;
const won: Pick<TokenStore, 'canHold' | 'canonicalUserKey' | 'takes' | 'claim'> = {
  canHold: () => true,
  canonicalUserKey: (key) => key,
  takes: () => true,
  claim: () => Promise.resolve({ kind: 'won', successorRowId: String(++rows), freshClaims: undefined }),
};
const { codec } = await createCodec({
  ...PLAIN_CODEC,
  signingKey: process.env['CARELINK_SIGNING_KEY'] ?? '',
});
const context: Omit<RotationContext, 'revocations'> = {
  settings: PLAIN_ROTATION,
  codec,
  chain: createChain([Buffer.alloc(32, 1)]),
  store: won as TokenStore,
  cache: new MemoryCache({ maxActive: 500_000, maxSpent: 100_000 }),
  outbox: undefined,
  reissuing: undefined,
  doubtful: new DoubtfulClaims(1_000),
  walks: new Walks({ requestTimeoutMs: PLAIN_ROTATION.requestTimeoutMs, monotonicMs }),
  clock: { nowUs: () => Date.now() * 1_000 },
  emit: (event) => metrics.onRotationEvent(event),
  monotonicMs,
};
const server = createPublicServer({
  // Nothing but refreshes is asked of it, and those revoke nothing.
  service: createTokenService(() => context as RotationContext),
  paths: pathsUnder('/account/token'),
  slidingEnd: 'refresh_exp',
  compat: '5.5',
  limits: DEFAULT_LIMITS,
  observe: { onRequest: (...told) => metrics.onRequest(...told), onRefused: () => undefined },
  log: createLog({ level: 'warn', destination: process.stderr }),
});
const { url } = await server.listen('127.0.0.1', 0);
console.log(JSON.stringify({ event: 'listening', url }));
process.on('SIGTERM', () => void server.close(1_000).then(() => process.exit(0)));

import { socketIn } from './network-kinds.js';
import { cleanupChoicesOfServer } from './cleanup-settings.js';
import { cookieSettings, cookieWarnings } from './cookie-settings.js';
import { edgeSettings } from './edge-settings.js';
import { ConfigError } from './errors.js';
import { FileReader } from './files.js';
import { deepFreeze } from './freeze.js';
import { keySettings, tlsSettings } from './key-settings.js';
import { isLoopback } from './loopback.js';
import { redisSettings } from './redis-settings.js';
import { resolve, type Flags, type Resolved } from './resolve.js';
import { rotationSettings, unusedOf } from './rotation-settings.js';
import { SERVE_OPTIONS } from './serve-options.js';
import { sessionSettings } from './session-options.js';
import type { ServeSettings } from './settings.js';
import type { EndpointPaths, TokenSettings } from './parts.js';
import { sharedSettings } from './shared-settings.js';
import type { Source } from './source.js';
import { tracingSettings } from './tracing-settings.js';
import { passwordSettings, userSettings } from './user-options.js';

/** @throws {ConfigError} with everything that is wrong */
export function serveSettings(flags: Flags, source: Source): ServeSettings {
  const resolved = resolve(SERVE_OPTIONS, flags, source.env);
  const { values } = resolved;
  const problems = [...resolved.problems];
  const files = new FileReader(source, problems);
  const shared = sharedSettings(resolved, source, problems);
  const redis = redisSettings(resolved, source, files, problems);
  const tracingWarnings: string[] = [];
  const paths = pathsOf(resolved, problems);
  const cookies = cookieSettings(resolved, problems);
  const settings: ServeSettings = {
    command: 'serve',
    ...shared,
    shadowOf: values['shadow-of'],
    workers: values.workers,
    poolSize: values['pool-size'],
    listenUrl: values['listen-url'],
    redis: redis.settings,
    http: {
      host: values.host,
      socket: socketIn(values.host),
      port: values.port,
      basePath: values['base-path'],
      paths,
      maxConnections: values['max-connections'],
      ...tlsSettings(resolved, files, problems),
      compat: values['simplejwt-compat'],
      cookies,
      ...edgeSettings(resolved, problems),
      demo: values.demo,
    },
    admin: { host: values['admin-host'], port: values['admin-port'] },
    tracing: tracingSettings(source.env, tracingWarnings),
    alertWebhook: values['alert-webhook'],
    keys: keySettings(resolved, files, problems),
    tokens: tokenSettings(resolved, problems),
    rotation: rotationSettings(resolved, problems),
    users: { ...userSettings(values), ...passwordSettings(values) },
    shutdownTimeoutMs: values['shutdown-timeout'],
    drainDelayMs: values['drain-delay'],
    databaseWaitMs: values['database-wait'],
    cleanup: cleanupOf(resolved),
    // When all files have been read.
    warnings: [
      ...shared.warnings,
      ...redis.warnings,
      ...unusedOf(resolved),
      ...tracingWarnings,
      ...cookieWarnings(cookies, paths),
      ...files.warnings,
    ],
  };
  checkPorts(settings, problems);
  if (settings.workers > 1 && settings.database.kind === 'embedded') {
    problems.push('--workers needs --database-url: the embedded PostgreSQL belongs to one process.');
  }
  if (settings.rotation.blacklist === 'async' && settings.redis === undefined) {
    problems.push(
      '--blacklist async needs a Redis that claims are kept in until they are written: give --redis-url.',
    );
  }
  if (values['revoke-claim'] !== undefined && values['user-check'] === 'off') {
    problems.push('--revoke-claim is compared with the password of a user: it excludes --user-check off.');
  }
  checkDemo(settings, problems);
  checkShadow(settings, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(settings);
}

/** Claims whose meaning is fixed: a token's id in `exp` would never verify. */
const RESERVED_CLAIMS = new Set(['exp', 'iat', 'nbf', 'aud', 'iss']);

const DEMO_ACCESS_SECONDS = 60;

function tokenSettings({ values, given }: Resolved<typeof SERVE_OPTIONS>, problems: string[]): TokenSettings {
  const claims = [
    'user-id-claim',
    'jti-claim',
    'token-type-claim',
    'sliding-refresh-exp-claim',
    'revoke-claim',
  ] as const;
  for (const [at, flag] of claims.entries()) {
    const claim = values[flag];
    if (claim === undefined) continue;
    if (RESERVED_CLAIMS.has(claim))
      problems.push(`--${flag} can't be ${claim}, which has a meaning of its own.`);
    const twin = claims.slice(0, at).find((other) => values[other] === claim);
    if (twin !== undefined) problems.push(`--${flag} and --${twin} are both ${claim}; they must differ.`);
  }
  return {
    // In the demo something is to be seen while one looks on.
    accessLifetimeSeconds:
      values.demo && given['access-lifetime'] === undefined ? DEMO_ACCESS_SECONDS : values['access-lifetime'],
    refreshLifetimeSeconds: values['refresh-lifetime'],
    slidingLifetimeSeconds: values['sliding-lifetime'],
    ...sessionSettings(values),
    leewaySeconds: values.leeway,
    audience: values.audience,
    issuer: values.issuer,
    names: {
      userId: values['user-id-claim'],
      jti: values['jti-claim'],
      tokenType: values['token-type-claim'],
      slidingEnd: values['sliding-refresh-exp-claim'],
      revoke: values['revoke-claim'],
    },
    subAsText: values['sub-as-text'],
    maxTokenBytes: values['max-token-bytes'],
  };
}

/** Of each endpoint: its own, or what --base-path gives. Two with one path could not be told apart. */
function pathsOf({ values }: Resolved<typeof SERVE_OPTIONS>, problems: string[]): EndpointPaths {
  const base = values['base-path'];
  const paths = {
    refresh: values['refresh-path'] ?? `${base}/refresh`,
    verify: values['verify-path'] ?? `${base}/verify`,
    blacklist: values['blacklist-path'] ?? `${base}/blacklist`,
    sliding: values['sliding-path'] ?? `${base}/sliding/refresh`,
  };
  const entries = Object.entries(paths);
  for (const [at, [name, path]] of entries.entries()) {
    const twin = entries.slice(0, at).find(([, other]) => other === path)?.[0];
    if (twin !== undefined)
      problems.push(
        `The ${name} and the ${twin} endpoint would both be at ${path}/: give --${name}-path another.`,
      );
  }
  return paths;
}

/** Nobody else tidies the embedded database; beside a Django it is for its operator to say. */
const EMBEDDED_CLEANUP_MS = 60 * 60_000;

function cleanupOf({ values }: Resolved<typeof SERVE_OPTIONS>): ServeSettings['cleanup'] {
  const embedded = values['database-url'] === undefined;
  if (values['token-tables'] === 'none') return undefined;
  const every = values['cleanup-every'] ?? (embedded ? EMBEDDED_CLEANUP_MS : 'off');
  return every === 'off'
    ? undefined
    : { everyMs: every, ...cleanupChoicesOfServer(values.leeway, values['sliding-refresh-exp-claim']) };
}

function checkPorts({ http, admin }: ServeSettings, problems: string[]): void {
  if (http.socket !== undefined && http.tls !== undefined) {
    problems.push(
      '--tls-cert is for a port: at a socket the reverse proxy has the certificate. Leave it out, or give --host an address.',
    );
  }
  if (http.port !== 0 && http.port === admin.port && http.host === admin.host) {
    problems.push(`--port and --admin-port are both ${http.port} at ${http.host}; they must differ.`);
  }
}

/** It compares with the rows of a Django, and one process has the report. */
function checkShadow(
  { shadowOf, database, workers, http, cleanup }: ServeSettings,
  problems: string[],
): void {
  if (shadowOf === undefined) return;
  if (database.kind === 'embedded')
    problems.push(
      "--shadow-of compares with Django's answers: it needs --database-url, the database of that Django.",
    );
  if (workers > 1) problems.push('--shadow-of runs in one process: leave --workers out.');
  if (http.demo) problems.push('--demo and --shadow-of exclude each other.');
  if (cleanup !== undefined)
    problems.push('--shadow-of writes nothing: leave --cleanup-every out, or say off.');
  const { pathname, search } = new URL(shadowOf);
  if (pathname !== '/' || search !== '')
    problems.push(
      '--shadow-of takes the address of Django without a path, such as http://127.0.0.1:8001: requests keep theirs.',
    );
}

/** Anybody may log in there as anybody: never beside real users, real keys, or where others can reach it. */
function checkDemo({ http, database, keys }: ServeSettings, problems: string[]): void {
  if (!http.demo) return;
  if (database.kind === 'url') problems.push('--demo works with the embedded PostgreSQL only.');
  if (keys.signingKey !== undefined || keys.verifyingKeys.length > 0) {
    problems.push('--demo makes a signing key of its own: leave the keys out.');
  }
  if (http.paths.refresh !== `${http.basePath}/refresh`) {
    problems.push('The page of --demo refreshes under --base-path: leave --refresh-path out.');
  }
  if (!isLoopback(http.host)) {
    problems.push(`--demo listens on loopback only, not on ${http.host}.`);
  }
}

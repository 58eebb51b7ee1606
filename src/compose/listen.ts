import { setTimeout as sleep } from 'node:timers/promises';
import type { ServeSettings } from '../config/settings.js';
import { dashboardPage } from '../dashboard/page.js';
import { createAdminServer, type AdminServerOptions } from '../http/admin.js';
import { clientAssets, jwksAsset } from '../http/assets.js';
import { Cors } from '../http/cors.js';
import { demoRoutes, type Demo } from '../http/demo.js';
import type { EventStreams } from '../http/events.js';
import type { Door } from '../http/door.js';
import { limitsFor } from '../http/limits.js';
import { createPublicServer } from '../http/server.js';
import { SocketPlace } from '../http/socket-place.js';
import { accessLog } from '../observe/access-log.js';
import type { Log } from '../observe/log.js';
import type { Tracing } from '../observe/trace.js';
import type { TokenService } from '../rotation/outcomes.js';
import { RateLimit } from '../rotation/rate-limit.js';
import { cookieStyle } from './cookies.js';
import { readClientFiles } from './client-files.js';
import { ADMIN_PORT, listening, listenAtSocket, PUBLIC_PORT } from './listening.js';
import type { Observing } from './observe.js';
import type { ReleaseStack } from './release.js';
import type { Renewable } from './renewable.js';

const monotonicMs = (): number => performance.now();

export interface ListenParts {
  readonly settings: ServeSettings;
  readonly service: TokenService;
  readonly door: Door;
  readonly demo: Demo | undefined;
  readonly renewable: Pick<Renewable, 'inUse' | 'showsWith' | 'publicKeys'>;
  readonly metrics: Observing;
  readonly tracing: Tracing | undefined;
  /** Undefined: another process has the admin port. */
  readonly admin:
    (Pick<AdminServerOptions, 'readiness' | 'kpis'> & { readonly streams: EventStreams }) | undefined;
  readonly log: Log;
}

export interface Listening {
  readonly publicUrl: string;
  readonly adminUrl: string;
  /** Serves on, and lets everybody know that it won't for long. */
  readonly startDraining: () => void;
}

/** Workers share the socket of their first process, which puts it to its place and takes it away. */
function ownerOf(admin: unknown): number {
  return admin === undefined ? process.ppid : process.pid;
}

/** Opens both ports. They are closed in reverse order: the public one drains while the admin port still says so. */
export async function listen(
  { settings, service, door, demo, renewable, metrics, tracing, admin, log }: ListenParts,
  releases: ReleaseStack,
): Promise<Listening> {
  const { http, shutdownTimeoutMs, drainDelayMs } = settings;
  const adminServer =
    admin &&
    createAdminServer({
      readiness: admin.readiness,
      metrics: tracing === undefined ? { ...metrics, openMetrics: undefined } : metrics,
      kpis: admin.kpis,
      dashboard: { page: dashboardPage, streams: admin.streams },
      host: settings.admin.host,
      log,
    });
  const cors =
    http.corsOrigins.length > 0
      ? new Cors(http.corsOrigins, http.cookies?.style === 'dj-rest-auth', http.corsHeaders)
      : undefined;
  const publicServer = createPublicServer({
    service,
    paths: http.paths,
    slidingEnd: settings.tokens.names.slidingEnd,
    compat: http.compat,
    tls: renewable.inUse().tls,
    cookies: cookieStyle(settings, cors, log),
    cors,
    proxies: http.trustedProxies,
    forgers: http.throttle.address && new RateLimit(http.throttle.address, monotonicMs),
    accessLog: accessLog(http.accessLog, log),
    tracing,
    assets: new Map([
      ...clientAssets(http.basePath, readClientFiles()),
      [`${http.basePath}/.well-known/jwks.json`, jwksAsset(renewable.publicKeys)],
    ]),
    demo: demo && demoRoutes(http.basePath, http.host, demo),
    limits: {
      ...limitsFor(settings.tokens.maxTokenBytes, http.cookies !== undefined),
      maxConnections: http.maxConnections,
    },
    door,
    observe: metrics,
    log,
  });
  renewable.showsWith((tls) => publicServer.renewCertificate(tls));
  let adminUrl = '';
  if (adminServer !== undefined) {
    const { host, port } = settings.admin;
    ({ url: adminUrl } = await listening(adminServer.listen(host, port), settings.admin, ADMIN_PORT));
    releases.add(() => adminServer.close(shutdownTimeoutMs));
  }
  const place = http.socket === undefined ? undefined : new SocketPlace(http.socket, ownerOf(admin));
  const publicUrl =
    place === undefined
      ? (await listening(publicServer.listen(http.host, http.port), http, PUBLIC_PORT)).url
      : await listenAtSocket(publicServer, place, admin !== undefined);
  const startDraining = (): void => {
    adminServer?.startDraining();
    publicServer.startDraining();
  };
  releases.add(async () => {
    startDraining();
    // One of several is told to stop when the delay is over.
    if (adminServer !== undefined && drainDelayMs > 0) {
      log.info('draining', { delay_ms: drainDelayMs, cause: '/readyz says 503; it serves until then' });
      await sleep(drainDelayMs);
    }
    // Whoever connects from now on finds another server there, or none. What is in flight has its connection.
    await place?.remove();
    await publicServer.close(shutdownTimeoutMs);
  });
  return { publicUrl, adminUrl, startDraining };
}

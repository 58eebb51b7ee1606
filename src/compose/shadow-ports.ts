import { setTimeout as sleep } from 'node:timers/promises';
import type { ServeSettings } from '../config/settings.js';
import { dashboardPage } from '../dashboard/page.js';
import { createAdminServer, type AdminServerOptions } from '../http/admin.js';
import type { EventStreams } from '../http/events.js';
import type { HttpServer } from '../http/listener.js';
import { SocketPlace } from '../http/socket-place.js';
import type { Listening } from './listen.js';
import { ADMIN_PORT, listenAtSocket, listening, PUBLIC_PORT } from './listening.js';
import type { ReleaseStack } from './release.js';

/** Opens both ports of a shadow. They are closed in reverse order, as those of a server that answers itself. */
export async function openShadowPorts(
  { http, admin, shutdownTimeoutMs, drainDelayMs }: ServeSettings,
  server: HttpServer,
  { streams, ...parts }: Omit<AdminServerOptions, 'dashboard' | 'host'> & { readonly streams: EventStreams },
  releases: ReleaseStack,
): Promise<Listening> {
  const adminServer = createAdminServer({
    ...parts,
    metrics: { ...parts.metrics, openMetrics: undefined },
    dashboard: { page: dashboardPage, streams },
    host: admin.host,
  });
  const { url: adminUrl } = await listening(adminServer.listen(admin.host, admin.port), admin, ADMIN_PORT);
  releases.add(() => adminServer.close(shutdownTimeoutMs));
  const place = http.socket === undefined ? undefined : new SocketPlace(http.socket, process.pid);
  const publicUrl =
    place === undefined
      ? (await listening(server.listen(http.host, http.port), http, PUBLIC_PORT)).url
      : await listenAtSocket(server, place, true);
  const startDraining = (): void => {
    adminServer.startDraining();
    server.startDraining();
  };
  releases.add(async () => {
    startDraining();
    if (drainDelayMs > 0) await sleep(drainDelayMs);
    await place?.remove();
    await server.close(shutdownTimeoutMs);
  });
  return { publicUrl, adminUrl, startDraining };
}

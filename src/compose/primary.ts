import { setTimeout as sleep } from 'node:timers/promises';
import type { FileTexts } from '../config/reader.js';
import type { ServeSettings } from '../config/settings.js';
import { dashboardPage } from '../dashboard/page.js';
import { createAdminServer, type Readiness } from '../http/admin.js';
import { EventStreams } from '../http/events.js';
import { SocketPlace } from '../http/socket-place.js';
import { alertMetrics } from '../observe/alert-metrics.js';
import { withChainKeys } from '../jwt/key-set.js';
import { newestExemplars } from '../observe/exemplars.js';
import type { Log } from '../observe/log.js';
import { MergedObservations } from '../observe/merged-observations.js';
import { openMetrics } from '../observe/open-metrics.js';
import { tellHostLimits } from './host-limits.js';
import { ADMIN_PORT, atSocket, listening } from './listening.js';
import { ReleaseStack } from './release.js';
import { toSend } from './renewal.js';
import type { Serving } from './serving.js';
import { watch } from './watch.js';
import type { Answers } from './worker-messages.js';
import { Workers } from './workers.js';

const monotonicMs = (): number => performance.now();

/**
 * `--workers`: this process starts and watches the others, which do the work. It has the admin port for all of them, and
 * alerts are its own: it judges what they say together.
 *
 * @param files what the settings were made of: workers are given the same
 * @param signal calls the start off
 * @throws CommandError with what to do about it
 */
export async function startPrimary(
  settings: ServeSettings,
  files: FileTexts,
  log: Log,
  signal: AbortSignal,
): Promise<Omit<Serving, 'inside'>> {
  const { admin, shutdownTimeoutMs, drainDelayMs } = settings;
  const releases = new ReleaseStack();
  try {
    const first = { keys: withChainKeys(settings.keys, signingKeyOf(settings)), tls: settings.http.tls };
    const observed = new MergedObservations(Date.now(), monotonicMs);
    const place =
      settings.http.socket === undefined ? undefined : new SocketPlace(settings.http.socket, process.pid);
    const workers = new Workers({
      count: settings.workers,
      stopTimeoutMs: shutdownTimeoutMs,
      monotonicMs,
      log,
      files,
      onListening: () => place?.publish(),
      onDeath: (workerId) => observed.died(workerId),
    });
    const fetch = async (): Promise<void> => {
      const [kpis, metrics] = await Promise.all([workers.ask('kpis'), workers.ask('metrics')]);
      for (const [id, reading] of kpis) if (reading !== undefined) observed.sawKpis(id, reading);
      for (const [id, snapshot] of metrics) if (snapshot !== undefined) observed.sawMetrics(id, snapshot);
      observed.sawWorkers(workers.counts);
    };
    const alerts = alertMetrics(observed.registry);
    const streams = new EventStreams((open) => alerts.onStreams(open));
    const adminServer = createAdminServer({
      readiness: () => readinessOf(workers),
      metrics: {
        contentType: observed.contentType,
        render: async () => {
          await fetch();
          return observed.render();
        },
        openMetrics:
          settings.tracing &&
          (async () => {
            const [exemplars] = await Promise.all([workers.ask('exemplars'), fetch()]);
            return openMetrics(
              await observed.render(),
              newestExemplars(exemplars.flatMap(([, one]) => one ?? [])),
            );
          }),
      },
      kpis: async () => {
        const [outboxes] = await Promise.all([workers.ask('outbox'), fetch()]);
        return { ...observed.kpis(), outbox: mergeOutboxes(outboxes.map(([, one]) => one)) };
      },
      dashboard: { page: dashboardPage, streams },
      host: admin.host,
      log,
    });
    const { url: adminUrl } = await listening(adminServer.listen(admin.host, admin.port), admin, ADMIN_PORT);
    releases.add(() => adminServer.close(shutdownTimeoutMs));
    const startDraining = (): void => {
      adminServer.startDraining();
      workers.drain();
    };
    releases.add(async () => {
      startDraining();
      if (drainDelayMs > 0 && workers.counts.listening > 0) {
        log.info('draining', { delay_ms: drainDelayMs, cause: '/readyz says 503; it serves until then' });
        await sleep(drainDelayMs);
      }
      await place?.remove();
      await workers.stop();
    });
    tellHostLimits(settings, log);
    if (settings.redis === undefined) log.warn('workers_without_redis', { cause: WITHOUT_REDIS });
    const { url: publicUrl } =
      place === undefined ? await workers.start(signal) : await startAtSocket(place, workers, signal);
    // Each of its readings fetches what workers have counted: of one that is killed no more is lost than since then.
    const read = async () => {
      await fetch();
      return { metrics: await observed.snapshot(), kpis: observed.kpis() };
    };
    await watch({ settings, read, metrics: alerts, streams, monotonicMs, log }, releases);
    log.info('listening', { url: publicUrl, mode: settings.database.kind, count: settings.workers });
    return {
      publicUrl,
      adminUrl,
      embedded: undefined,
      startDraining,
      renewing: {
        inUse: () => first,
        renew: (renewal) => workers.renew(toSend(renewal)),
      },
      stop: () => releases.release(),
      failed: workers.failed,
    };
  } catch (error) {
    await releases.release().catch(() => undefined);
    throw error;
  }
}

/** The first of the workers makes the socket, and again where all of them have died. */
async function startAtSocket(
  place: SocketPlace,
  workers: Workers,
  signal: AbortSignal,
): Promise<{ readonly url: string }> {
  await atSocket(place, () => place.check());
  const started = await workers.start(signal);
  // What kept a worker from putting it there is told as what keeps this command from starting.
  await atSocket(place, () => place.publish());
  return started;
}

/** Owed by all of them; asynchronous only where each of them is. */
function mergeOutboxes(all: readonly (Answers['outbox'] | undefined)[]): Answers['outbox'] {
  const told = all.filter((one) => one !== undefined);
  return {
    mode: told.length > 0 && told.every(({ mode }) => mode === 'async') ? 'async' : 'sync',
    depth: told.reduce((sum, { depth }) => sum + depth, 0),
    lag_ms: Math.max(0, ...told.map(({ lag_ms }) => lag_ms)),
  };
}

/** Workers share a database by its URL, and with that a signing key is given. */
function signingKeyOf({ keys }: ServeSettings): string {
  if (keys.signingKey === undefined) throw new Error('settings without a signing key');
  return keys.signingKey;
}

const WITHOUT_REDIS =
  'each worker remembers by itself: a token that another one rotated has to be looked up, and a 503 resumes only at its own worker';

/** As ready as the least ready of those that listen; fewer than wanted are enough, and told. */
async function readinessOf(workers: Workers): Promise<Readiness> {
  const answers = await workers.ask('readiness');
  const { listening: count, wanted } = workers.counts;
  const checks: Record<string, string> = { workers: count === wanted ? 'ok' : `${count} of ${wanted}` };
  for (const [, answer] of answers) {
    const told = answer?.checks ?? { workers: 'one gives no answer' };
    for (const [name, state] of Object.entries(told)) {
      if (checks[name] === undefined || checks[name] === 'ok') checks[name] = state;
    }
  }
  return { ready: answers.length > 0 && answers.every(([, answer]) => answer?.ready === true), checks };
}

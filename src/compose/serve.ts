import { openEntrance } from './entrance.js';
import { openChangeFeed } from './change-feed.js';
import { cleanUpBeside } from './cleanup.js';
import { openDemo } from './demo.js';
import { tellHostLimits } from './host-limits.js';
import { openLetters } from './letters.js';
import { listen } from './listen.js';
import { badRowNews, refusalNews, tellAsync, tellRotationEvent, tellSchema } from './tell.js';
import type { ServeSettings } from '../config/settings.js';
import { isSameKeys } from '../jwt/key-change.js';
import type { Keys } from '../jwt/key-set.js';
import type { Readiness } from '../http/admin.js';
import { EventStreams } from '../http/events.js';
import { alertMetrics } from '../observe/alert-metrics.js';
import { operatorMetrics } from '../observe/operator-metrics.js';
import { poolMetrics } from '../observe/pool-metrics.js';
import type { Log } from '../observe/log.js';
import { observing } from './observe.js';
import type { ReleaseStack } from './release.js';
import { blacklistFor, needsOf } from './needs.js';
import type { Serving, StartOptions } from './serving.js';
import { rotationSettings } from './rotation-settings.js';
import { openStorage } from './storage.js';
import { openCache } from './cache.js';
import { Broken, endFor, openSite, spendsTokens } from './site.js';
import { tellRefusedSamples } from './samples.js';
import { openKeys, partsOf, passwordHashReader, sampleToken } from './tokens.js';
import { Renewable } from './renewable.js';
import { watchRowDates } from './row-dates.js';
import { openTracing } from './tracing.js';
import { tellCertificates, watchSurroundings } from './surroundings.js';
import { watch } from './watch.js';
import { tellLost, watchDatabase, watchingWrites } from './health.js';
import { DoubtfulClaims } from '../rotation/doubtful-claims.js';
import type { RotationContext } from '../rotation/context.js';
import { createTokenService } from '../rotation/service.js';
import { RateLimit } from '../rotation/rate-limit.js';
import { Walks } from '../rotation/walks.js';
import { askOf, type Purpose } from '../store/database.js';
import { ObservedDatabaseClock } from '../store/database-clock.js';
import { countBlacklisted } from '../store/audit.js';
import { checkRights } from '../store/rights.js';
import { otherUserKey } from '../store/user-function.js';
import { probeUserView } from '../store/user-probe.js';
import { ORDINARY_DATES } from '../store/row-dates.js';

/** Group commit lanes: two statements in flight keep the database busy while the next batch gathers (measured). */
const LANES = 2;

/**
 * The part of a request's time that a statement may take which asks the site's view. One user's row that never returns
 * costs those who share its statement twice that: once together, once in smaller groups.
 */
const VIEW_SHARE = 0.3;

/** Claims in doubt that are remembered: an outage's worth of what can be in flight. */
const MAX_DOUBTFUL = 100_000;

const monotonicMs = (): number => performance.now();

/** A refresh server out of its parts, each of which is released in the end. */
export async function compose(
  settings: ServeSettings,
  { log, setUpLog }: { readonly log: Log; readonly setUpLog: Log },
  releases: ReleaseStack,
  { admin = true, signal, takesRenewals }: Omit<StartOptions, 'tellsSetUp'>,
): Promise<Serving> {
  const metrics = observing(monotonicMs, {
    accessLifetimeSeconds: settings.tokens.accessLifetimeSeconds,
    alone: admin,
    onLooked(lost, of) {
      operator.onCommitsLost(lost);
      tellLost(lost, of, log);
    },
  });
  const tracing = await openTracing(settings, metrics, log, monotonicMs, releases);
  const onStatement = tracing?.onStatement;
  const pool = poolMetrics(metrics.registry);
  const telling = { onStatement: (purpose: Purpose) => metrics.onStatement(purpose), ...pool };
  const storage = await openStorage(settings, log, telling, releases, signal);
  const { database } = storage;
  pool.watch(storage.poolSize, () => database.usage);
  const broken = new Broken();
  const site = await openSite(settings, database, broken);
  const { schema } = site;
  const blacklist = blacklistFor(settings, schema);
  const needs = needsOf(settings, blacklist);
  await checkRights(askOf(database), schema, needs);
  await probeUserView(askOf(database), schema);
  const isView = schema.users?.kind === 'view';
  if (isView) await database.limitStatements(VIEW_SHARE * settings.rotation.requestTimeoutMs);
  tellSchema(settings, schema, setUpLog);
  const otherKey = await otherUserKey(askOf(database), schema);
  if (otherKey !== undefined) setUpLog.warn('revoke_user_key', { cause: otherKey });
  const tables = site.kind === 'tables' ? site.schema : undefined;
  const dates =
    tables === undefined
      ? () => ORDINARY_DATES
      : await watchRowDates(settings, database, tables, log, releases);
  if (tables !== undefined) metrics.startAudit((jtis) => countBlacklisted(database, tables, jtis), releases);

  const signingKey = settings.keys.signingKey ?? storage.signingKey;
  if (signingKey === undefined) throw new Error('settings without a signing key');
  const { keys, keySet } = await openKeys(settings, signingKey, setUpLog);
  const clock = new ObservedDatabaseClock(monotonicMs, Date.now());
  const operator = operatorMetrics(metrics.registry, {
    clockAheadSeconds: () => Date.now() / 1000 - clock.nowUs() / 1_000_000,
  });
  // The server that was there before may be alive: nothing more is read from it, or heard.
  const onCut = [() => void database.renew(), () => metrics.historyCut()];
  const { health, history } = await watchDatabase(
    {
      database,
      schema,
      clock,
      monotonicMs,
      needs,
      embedded: settings.database.kind === 'embedded',
      accessLifetimeSeconds: settings.tokens.accessLifetimeSeconds,
      operator,
      log,
      onState: endFor(site, settings, broken),
      onReadOnly: () => void database.renew(),
      onCut() {
        for (const act of onCut) act();
      },
    },
    releases,
  );
  const tellSamples = async (of: Keys): Promise<void> => {
    if (tables === undefined) return;
    const read = { database, schema: tables, clock };
    await tellRefusedSamples({ ...settings, keys: of }, of.signingKey, read, setUpLog);
  };
  await tellSamples(keys);
  const written = watchingWrites(database, monotonicMs, health, operator, isView);

  const unwritten = await openLetters(
    database,
    schema,
    {
      alone: settings.redis === undefined && settings.database.kind === 'embedded',
      onCount: (count) => operator.onDeadLetters(count),
    },
    releases,
  );
  const { stores, door } = openEntrance(
    settings,
    site,
    {
      database: written,
      dates,
      clock,
      lanes: Math.min(LANES, storage.poolSize),
      poolSize: storage.poolSize,
      monotonicMs,
      onBatch: (size) => metrics.onBatch(size),
      onStatement,
      confirms: () => health.confirms,
      onRefused: refusalNews(log, operator, monotonicMs),
      onBadRow: badRowNews(log),
      unwritten: unwritten.letters,
    },
    () => renewable.context().codec.waitMs?.() ?? 0,
    metrics,
    releases,
  );
  const shared = await openCache(
    settings,
    tables,
    {
      blacklist,
      requestTimeoutMs: settings.rotation.requestTimeoutMs,
      refreshLifetimeMs: settings.tokens.refreshLifetimeSeconds * 1000,
      shutdownTimeoutMs: settings.shutdownTimeoutMs,
      database: written,
      dates,
      clock,
      passwordHashOf: passwordHashReader(settings),
      unwritten,
      monotonicMs,
      metrics,
      onStatement,
      log,
      onRedis(up) {
        operator.onStore('redis', up);
        if (!up) metrics.onRedisOutage();
      },
    },
    releases,
  );
  const { cache, outbox } = shared;
  const feed =
    tables !== undefined && spendsTokens(settings)
      ? openChangeFeed(settings, { database, schema: tables, cache, metrics, log, monotonicMs }, releases)
      : undefined;
  if (feed !== undefined) onCut.push(() => feed.renew());
  const context: RotationContext = {
    settings: rotationSettings(settings),
    ...partsOf(keySet),
    store: stores.store,
    revocations: stores.revocations,
    reissuing: stores.reissuing,
    cache,
    outbox,
    doubtful: new DoubtfulClaims(MAX_DOUBTFUL),
    throttle: settings.http.throttle.user && new RateLimit(settings.http.throttle.user, monotonicMs),
    walks: new Walks({ requestTimeoutMs: settings.rotation.requestTimeoutMs, monotonicMs }),
    clock,
    history,
    emit: (event) => {
      metrics.onRotationEvent(event);
      tellRotationEvent(event, log);
    },
    monotonicMs,
  };
  const renewable = new Renewable(
    settings,
    { context, publicKeys: keySet.publicKeys, inUse: { keys, tls: settings.http.tls } },
    (now, before) => {
      tellCertificates(now, operator);
      if (!isSameKeys(now.keys, before.keys)) void tellSamples(now.keys);
    },
  );
  tellCertificates(renewable.inUse(), operator);
  shared.start(renewable.context, feed);
  tellAsync(settings, feed, setUpLog);
  const service = createTokenService(renewable.context);

  const readiness = async (): Promise<Readiness> => {
    // Without Redis refreshes go on: it is told, and no reason to send them elsewhere.
    const [state, redis] = await Promise.all([health.check(), shared.check()]);
    const changes = feed?.check;
    const checks = {
      database: state,
      ...(redis === undefined ? {} : { redis }),
      ...(changes === undefined ? {} : { changes }),
    };
    return { ready: state === 'ok', checks };
  };
  watchSurroundings(database, tables, operator, releases);
  const alerts = admin ? alertMetrics(metrics.registry) : undefined;
  const streams = new EventStreams((open) => alerts?.onStreams(open));
  const kpis = () => ({ ...metrics.kpis(), outbox: shared.status() });
  const demo = settings.http.demo ? openDemo(settings, () => renewable.context().codec, clock) : undefined;
  await takesRenewals?.(renewable.renew);
  const { publicUrl, adminUrl, startDraining } = await listen(
    {
      settings,
      service,
      door,
      demo,
      renewable,
      metrics,
      tracing,
      admin: admin ? { readiness, kpis, streams } : undefined,
      log,
    },
    releases,
  );
  if (alerts !== undefined) {
    const read = async () => ({ metrics: await metrics.snapshot(), kpis: metrics.kpis() });
    await watch({ settings, read, metrics: alerts, streams, monotonicMs, log }, releases);
  }
  cleanUpBeside(settings, database, schema, metrics, log, releases);
  if (admin) tellHostLimits(settings, log);
  log.info('listening', { url: publicUrl, mode: settings.database.kind });
  const failed = Promise.race([storage.failed, broken.failed]);
  // A program needn't listen to it, and a stop ends the embedded database, too.
  failed.catch(() => undefined);
  return {
    publicUrl,
    adminUrl,
    embedded:
      settings.database.kind === 'embedded'
        ? {
            sampleRefreshToken: await sampleToken(settings, keySet.codec, clock),
            dataDir: settings.database.dataDir,
          }
        : undefined,
    startDraining,
    renewing: renewable.alone,
    stop: () => releases.release(),
    failed,
    inside: {
      readiness,
      metrics,
      exemplars: () => metrics.exemplars(),
      kpis: () => metrics.kpiReading(),
      outbox: shared.status,
    },
  };
}

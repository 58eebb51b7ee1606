import type { ServeSettings } from '../config/settings.js';
import { Cors } from '../http/cors.js';
import { refusals } from '../http/respond.js';
import type { Readiness } from '../http/admin.js';
import { EventStreams } from '../http/events.js';
import { importKeySet } from '../jwt/key-set.js';
import { unsignedTokens } from '../jwt/unsigned.js';
import { alertMetrics } from '../observe/alert-metrics.js';
import { describeError } from '../observe/errors.js';
import type { Log } from '../observe/log.js';
import { operatorMetrics } from '../observe/operator-metrics.js';
import { poolMetrics } from '../observe/pool-metrics.js';
import type { RouteName } from '../observe/requests.js';
import { shadowMetrics } from '../observe/shadow-metrics.js';
import { DoubtfulClaims } from '../rotation/doubtful-claims.js';
import { Preview } from '../rotation/preview.js';
import { Walks } from '../rotation/walks.js';
import { DIFFERENCES } from '../shadow/differences.js';
import { Judge } from '../shadow/judge.js';
import { createShadowServer } from '../shadow/proxy.js';
import { Report } from '../shadow/report.js';
import type { Rules } from '../shadow/rules.js';
import { reportText } from '../shadow/text.js';
import { openUpstream } from '../shadow/upstream.js';
import { askOf, type Database } from '../store/database.js';
import { ObservedDatabaseClock } from '../store/database-clock.js';
import { PgDatabase } from '../store/pool.js';
import { probeUserView } from '../store/user-probe.js';
import { connectNews } from './connect-errors.js';
import { cookieStyle } from './cookies.js';
import { databaseTarget } from './database-target.js';
import { Horizons } from './horizons.js';
import { openShadowPorts } from './shadow-ports.js';
import { observing } from './observe.js';
import type { ReleaseStack } from './release.js';
import type { Renewal } from './renewal.js';
import { rotationSettings } from './rotation-settings.js';
import type { Serving } from './serving.js';
import { Broken, openSite } from './site.js';
import { openStores, type Site } from './stores.js';
import { openKeys, partsOf } from './tokens.js';
import { tellSchema } from './tell.js';
import { watch } from './watch.js';

const monotonicMs = (): number => performance.now();

/** Statements that judge at the same time; each is shared by many. */
const LANES = 2;

/** One for each of them, one that goes on where they fail, one for the horizon. */
const POOL_SIZE = 4;

/** A judgement that takes longer is of no use, and a server that hangs is not to be asked more. */
const STATEMENT_TIMEOUT_MS = 2_000;

/**
 * A server that answers nothing itself: everything goes to Django and comes from it (rule 50). Beside that it judges, over
 * a few connections of its own that can't write.
 */
export async function composeShadow(
  settings: ServeSettings,
  shadowOf: string,
  { log, setUpLog }: { readonly log: Log; readonly setUpLog: Log },
  releases: ReleaseStack,
): Promise<Serving> {
  if (settings.database.kind !== 'url') throw new Error('a shadow of the embedded database');
  const metrics = observing(monotonicMs, { accessLifetimeSeconds: settings.tokens.accessLifetimeSeconds });
  const clock = new ObservedDatabaseClock(monotonicMs, Date.now());
  const operator = operatorMetrics(metrics.registry, {
    clockAheadSeconds: () => Date.now() / 1000 - clock.nowUs() / 1_000_000,
  });
  const database = openJudgeDatabase(settings.database, metrics, log, releases);
  const site = await openSite(settings, database, new Broken());
  await probeUserView(askOf(database), site.schema);
  tellSchema(settings, site.schema, setUpLog);
  const horizons = new Horizons({
    database,
    site,
    monotonicMs,
    onState: (up) => operator.onStore('database', up),
  });
  await horizons.start();
  releases.add(() => horizons.stop());

  const signingKey = settings.keys.signingKey;
  if (signingKey === undefined) throw new Error('settings without a signing key');
  const opened = await openKeys(settings, signingKey, setUpLog);
  let { keySet } = opened;
  let inUse: Renewal = { keys: opened.keys, tls: settings.http.tls };

  const report = new Report({
    shadowOf,
    wallClockMs: Date.now,
    onClass({ code, count, mend, example }) {
      const told = `Django ${example.django}; here ${example.here}`;
      log.warn('shadow_difference', { kind: code, count, cause: `${told}. Mend: ${mend ?? 'no option'}` });
    },
  });
  const judge = new Judge({
    ...answering(settings, log),
    routes: routesOf(settings.http.paths),
    rules: rulesOf(settings, site),
    preview: previewing(settings, site, database, clock, () => keySet),
    mark: () => horizons.mark(),
    nowUs: () => clock.nowUs(),
    monotonicMs,
    report,
    log,
  });
  shadowMetrics(metrics.registry, Object.keys(DIFFERENCES), () => countsOf(report));

  const upstream = openUpstream(shadowOf);
  releases.add(() => upstream.close());
  const server = createShadowServer({
    upstream,
    witness: judge,
    tls: settings.http.tls,
    maxConnections: settings.http.maxConnections,
    mostJudgedBytes: MOST_JUDGED_BYTES,
    log,
  });
  const streams = new EventStreams((open) => alerts.onStreams(open));
  const alerts = alertMetrics(metrics.registry);
  // Django answers, whatever becomes of the judge: a balancer must not look elsewhere for that.
  const readiness = (): Promise<Readiness> =>
    Promise.resolve({ ready: true, checks: { judge: horizons.isUp ? 'ok' : 'database unreachable' } });
  const kpis = () => metrics.kpis();
  const shadow = { document: () => report.document(), text: () => reportText(report.document()) };
  const ports = await openShadowPorts(
    settings,
    server,
    { readiness, metrics, kpis, streams, shadow, log },
    releases,
  );
  const read = async () => ({ metrics: await metrics.snapshot(), kpis: metrics.kpis() });
  await watch({ settings, read, metrics: alerts, streams, monotonicMs, log }, releases);
  log.info('listening', { url: ports.publicUrl, mode: 'shadow', host: shadowOf });
  return {
    ...ports,
    embedded: undefined,
    renewing: {
      inUse: () => inUse,
      async renew(renewal) {
        keySet = (await importKeySet(renewal.keys, settings.tokens)).keySet;
        if (renewal.tls !== undefined) server.renewCertificate(renewal.tls);
        inUse = renewal;
        return [];
      },
    },
    stop: () => releases.release(),
    summary: shadow,
    failed: new Promise(() => undefined),
    inside: {
      readiness,
      metrics,
      exemplars: () => metrics.exemplars(),
      kpis: () => metrics.kpiReading(),
      outbox: () => ({ mode: 'sync', depth: 0, lag_ms: 0 }),
    },
  };
}

/** A longer body is no token's: a token of the largest size, each byte of it written as three in a form. */
const MOST_JUDGED_BYTES = 64 * 1024;

function openJudgeDatabase(
  settings: Extract<ServeSettings['database'], { kind: 'url' }>,
  metrics: ReturnType<typeof observing>,
  log: Log,
  releases: ReleaseStack,
): PgDatabase {
  const target = databaseTarget(settings);
  const pool = poolMetrics(metrics.registry);
  const database = new PgDatabase({
    connection: target,
    size: POOL_SIZE,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    connectTimeoutMs: STATEMENT_TIMEOUT_MS,
    readOnly: true,
    applicationName: 'carelink-tokens shadow',
    onStatement: (purpose) => metrics.onStatement(purpose),
    onWaiting: pool.onWaiting,
    onPooler: () =>
      log.info('pooler', { cause: 'settings go along with each transaction, nothing is prepared' }),
    onNotConnected: connectNews(target, log),
    onIdleError: (error) => log.warn('database_connection_lost', describeError(error)),
  });
  releases.add(() => database.end());
  pool.watch(POOL_SIZE, () => database.usage);
  return database;
}

/** The parts that answers are made of, as for a server that answers itself. A cookie of our own style has no like at Django. */
function answering(settings: ServeSettings, log: Log) {
  const { http, tokens } = settings;
  const isTheirs = http.cookies?.style === 'dj-rest-auth';
  const cors =
    http.corsOrigins.length > 0 ? new Cors(http.corsOrigins, isTheirs, http.corsHeaders) : undefined;
  return {
    cors,
    cookies: isTheirs ? cookieStyle(settings, cors, log) : undefined,
    refusals: refusals({ compat: http.compat, slidingEnd: tokens.names.slidingEnd }),
  };
}

function rulesOf(settings: ServeSettings, { schema }: Site): Rules {
  const { http, tokens, keys } = settings;
  const { cookies, throttle } = http;
  return {
    algorithm: keys.algorithm,
    issuer: tokens.issuer,
    audience: tokens.audience,
    settings: rotationSettings(settings),
    compat: http.compat,
    cookies:
      cookies?.style === 'dj-rest-auth' ? { access: cookies.accessName, refresh: cookies.name } : undefined,
    throttles: throttle.user !== undefined || throttle.address !== undefined,
    maxTokenBytes: tokens.maxTokenBytes,
    hasFreshClaims: schema.users?.columns.claims !== undefined,
  };
}

/** Nothing in it writes: rows that should be put off are left, and tokens are written without a signature. */
function previewing(
  settings: ServeSettings,
  site: Site,
  database: Database,
  clock: ObservedDatabaseClock,
  keySet: () => Parameters<typeof partsOf>[0],
) {
  const looksOnly: Site =
    site.kind === 'tables' ? { ...site, schema: { ...site.schema, mayKeep: false } } : site;
  const { store } = openStores(settings, looksOnly, {
    database,
    clock,
    lanes: LANES,
    poolSize: POOL_SIZE,
    monotonicMs,
    random: Math.random,
    onBatch: () => undefined,
  });
  const sign = unsignedTokens({ ...settings.keys, ...settings.tokens });
  const walks = new Walks({ requestTimeoutMs: STATEMENT_TIMEOUT_MS, monotonicMs });
  const doubtful = new DoubtfulClaims(1);
  const parts = { settings: rotationSettings(settings), store, walks, doubtful, monotonicMs, freshId };
  return (moment: ConstructorParameters<typeof Preview>[1]): Preview => {
    const { codec, chain } = partsOf(keySet());
    return new Preview({ ...parts, codec: { ...codec, sign }, chain }, moment);
  };
}

function freshId(): string {
  return crypto.randomUUID().replaceAll('-', '');
}

function routesOf(paths: ServeSettings['http']['paths']): ReadonlyMap<string, RouteName> {
  const names = {
    refresh: 'refresh',
    verify: 'verify',
    blacklist: 'blacklist',
    sliding: 'sliding_refresh',
  } as const;
  return new Map(
    (Object.keys(names) as (keyof typeof names)[]).flatMap((name) => [
      [paths[name], names[name]],
      [`${paths[name]}/`, names[name]],
    ]),
  );
}

function countsOf(report: Report) {
  const { requests, differences } = report.document();
  const all = (counts: Readonly<Record<string, number>>): number =>
    Object.values(counts).reduce((sum, one) => sum + one, 0);
  return {
    requests: {
      passed: requests.passed,
      same: requests.same,
      different: requests.different,
      undecided: all(requests.undecided),
      dropped: all(requests.dropped),
      unanswered: all(requests.unanswered),
    },
    differences: Object.fromEntries(differences.map(({ code, count }) => [code, count])),
  };
}

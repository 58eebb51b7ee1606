import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import pg from 'pg';
import { dropTemplates, newTemplatesPrefix, TEMPLATES_VARIABLE } from './migrated-database.js';
import { type Cluster, findPostgresBin, startCluster } from './postgres.js';
import { HOW_TO_GET, REQUIRED_SERVICES, type Services, SERVICES_VARIABLE } from './services.js';

/** A service on this machine answers within milliseconds; this only bounds waiting for one that never does. */
const PROBE_TIMEOUT_MS = 5_000;
const DEFAULT_POSTGRES = 'postgres://postgres@127.0.0.1:5432/postgres';
const DEFAULT_REDIS = 'redis://127.0.0.1:6379';
const SERVICES = Object.keys(HOW_TO_GET) as (keyof Services)[];

/** Vitest's global setup: looks once for what the tests need, says what is missing, and tells the test files. */
export default async function setup(): Promise<() => Promise<void>> {
  const postgresBin = findPostgresBin();
  const [shared, redis, django, redisPy] = await Promise.all([
    probePostgres(asked('TEST_DATABASE_URL')),
    probeRedis(asked('TEST_REDIS_URL')),
    probePython('django, rest_framework_simplejwt, corsheaders, psycopg2, gunicorn'),
    probePython('redis'),
  ]);
  let own: Cluster | undefined;
  if (shared === undefined && postgresBin !== undefined) own = await startOwn(postgresBin);
  const found: Services = {
    postgres: shared ?? own?.url,
    django,
    redis,
    redisPy,
    chromium: ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path)),
    firefox: installed('firefox-esr') ?? installed('firefox'),
    webkit: findWebKit(),
    pgbouncer: findPgBouncer(),
    haproxy: ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy'].find((path) => existsSync(path)),
    nginx: ['/usr/sbin/nginx', '/usr/local/sbin/nginx'].find((path) => existsSync(path)),
    bash: installed('bash'),
    zsh: installed('zsh'),
    fish: installed('fish'),
    mandoc: installed('mandoc'),
    systemdNotify: installed('systemd-notify'),
    systemdAnalyze: installed('systemd-analyze'),
    go: existsSync('/usr/share/gocode/src/github.com/Masterminds/sprig') ? installed('go') : undefined,
    postgresBin,
  };
  const missing = SERVICES.filter((name) => found[name] === undefined || found[name] === false);
  tell(missing);
  const lacking = missing.filter((name) => REQUIRED_SERVICES.includes(name));
  if (process.env['REQUIRE_ALL'] === '1' && lacking.length > 0) {
    await own?.stop();
    throw new Error(`REQUIRE_ALL=1, but there is no\n${list(lacking)}`);
  }
  process.env[SERVICES_VARIABLE] = JSON.stringify(found);
  const templates = (process.env[TEMPLATES_VARIABLE] = newTemplatesPrefix());
  return async () => {
    if (shared !== undefined) await dropTemplates(shared, templates);
    await own?.stop();
    // Again at the end: in a long run nobody sees what stood at its top.
    tell(missing);
  };
}

/** Where a distribution puts it. */
function installed(program: string): string | undefined {
  return [`/usr/bin/${program}`, `/bin/${program}`, `/usr/local/bin/${program}`].find((path) =>
    existsSync(path),
  );
}

/** Its directory is named by the architecture and by the version of its interface. */
function findWebKit(): string | undefined {
  if (!installed('WebKitWebDriver') || !installed('Xvfb')) return undefined;
  return ['x86_64', 'aarch64']
    .flatMap((machine) => ['4.1', '4.0'].map((version) => `${machine}-linux-gnu/webkit2gtk-${version}`))
    .map((directory) => `/usr/lib/${directory}/MiniBrowser`)
    .find((path) => existsSync(path));
}

/** A variable that is set to nothing is not set. */
function asked(variable: string): string | undefined {
  return process.env[variable] === '' ? undefined : process.env[variable];
}

function tell(missing: readonly (keyof Services)[]): void {
  // On stderr, so that a reporter that prints JSON stays readable.
  if (missing.length > 0)
    console.error(`\nNot found, so the tests that need it are SKIPPED:\n${list(missing)}\n`);
}

function list(missing: readonly (keyof Services)[]): string {
  return missing.map((name) => `  - ${HOW_TO_GET[name]}`).join('\n');
}

async function probePostgres(wanted: string | undefined): Promise<string | undefined> {
  const url = wanted ?? DEFAULT_POSTGRES;
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: PROBE_TIMEOUT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ able: boolean }>(
      'SELECT rolsuper OR rolcreatedb AS able FROM pg_roles WHERE rolname = current_user',
    );
    if (rows[0]?.able !== true) throw new Error('its role may not create databases');
    return url;
  } catch (error) {
    // One that was asked for by name is never quietly replaced by another.
    if (wanted !== undefined) throw new Error('TEST_DATABASE_URL cannot be used', { cause: error });
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function startOwn(bin: string): Promise<Cluster | undefined> {
  try {
    return await startCluster({ bin, settings: { max_connections: '300' } });
  } catch (error) {
    console.error('A PostgreSQL of our own could not be started:', error);
    return undefined;
  }
}

async function probeRedis(wanted: string | undefined): Promise<string | undefined> {
  const url = wanted ?? DEFAULT_REDIS;
  const answered = await ping(new URL(url));
  if (!answered && wanted !== undefined)
    throw new Error(`TEST_REDIS_URL: nothing at ${new URL(url).host} answers`);
  return answered ? url : undefined;
}

function ping({ hostname, port }: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port || 6379), timeout: PROBE_TIMEOUT_MS });
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.on('connect', () => socket.write('PING\r\n'));
    // A Redis that wants a password answers -NOAUTH: it is one, and whoever uses the URL brings the password.
    socket.on('data', (data) => end(/^(\+PONG|-NOAUTH)/.test(data.toString())));
    socket.on('error', () => end(false));
    socket.on('timeout', () => end(false));
  });
}

/** Started by root it must become another user, which root of a user namespace may not (`unshare -r`). */
function findPgBouncer(): string | undefined {
  const confined =
    existsSync('/proc/self/setgroups') && readFileSync('/proc/self/setgroups', 'utf8') === 'deny\n';
  if (process.getuid?.() === 0 && confined) return undefined;
  return ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => existsSync(path));
}

async function probePython(modules: string): Promise<boolean> {
  return promisify(execFile)('/usr/bin/python3', ['-c', `import ${modules}`]).then(
    () => true,
    () => false,
  );
}

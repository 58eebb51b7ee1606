/**
 * Which services this machine has. They are probed once, in global-setup.ts; test files ask here, synchronously,
 * so that `describe.skipIf(services().redis === undefined)` can be written at the top of a file.
 */
export interface Services {
  /** URL of a PostgreSQL whose role may create databases; see `freshDatabase()`. */
  readonly postgres: string | undefined;
  /** True where Debian's Python can import Django, simplejwt, django-cors-headers, psycopg2 and gunicorn. */
  readonly django: boolean;
  readonly redis: string | undefined;
  /** True where Debian's Python can import redis-py. */
  readonly redisPy: boolean;
  /** Path of the browser's binary. */
  readonly chromium: string | undefined;
  readonly firefox: string | undefined;
  /** Path of WebKitGTK's MiniBrowser, where its WebDriver and a screen without a monitor are there, too. */
  readonly webkit: string | undefined;
  /** Path of PgBouncer, where it can be run. */
  readonly pgbouncer: string | undefined;
  /** Path of HAProxy. */
  readonly haproxy: string | undefined;
  /** Path of nginx. */
  readonly nginx: string | undefined;
  /** Paths of the shells that completion is written for. */
  readonly bash: string | undefined;
  readonly zsh: string | undefined;
  readonly fish: string | undefined;
  /** Path of systemd-notify, which tells a service manager how a server is. */
  readonly systemdNotify: string | undefined;
  /** Path of systemd-analyze, which judges units. */
  readonly systemdAnalyze: string | undefined;
  /** Path of mandoc, which judges manual pages. */
  readonly mandoc: string | undefined;
  /** Path of Go, where Sprig is there too: both render the Helm chart. */
  readonly go: string | undefined;
  /** Directory of `initdb` and `postgres`, where they can be run as a user that is not root; see `startCluster()`. */
  readonly postgresBin: string | undefined;
}

/** What a run with `REQUIRE_ALL=1` may not lack. */
export const REQUIRED_SERVICES: readonly (keyof Services)[] = [
  'postgres',
  'django',
  'redis',
  'redisPy',
  'postgresBin',
  'pgbouncer',
  'haproxy',
  'nginx',
  'chromium',
  'firefox',
  'webkit',
  'bash',
  'zsh',
  'fish',
  'mandoc',
  'systemdNotify',
  'systemdAnalyze',
  'go',
];

/** What a skip tells the reader to do about it. */
export const HOW_TO_GET: Readonly<Record<keyof Services, string>> = {
  postgres:
    'PostgreSQL: apt-get install postgresql, or set TEST_DATABASE_URL to one whose role may create databases',
  django:
    'Django with simplejwt: apt-get install python3-djangorestframework-simplejwt python3-django-cors-headers python3-psycopg2 gunicorn',
  redis: 'Redis: apt-get install redis-server and start it, or set TEST_REDIS_URL',
  redisPy: 'redis-py: apt-get install python3-redis',
  chromium: 'Chromium: apt-get install chromium',
  firefox: 'Firefox: apt-get install firefox-esr',
  webkit: 'WebKit: apt-get install webkit2gtk-driver xvfb',
  pgbouncer: 'PgBouncer that can be run here: apt-get install pgbouncer',
  haproxy: 'HAProxy: apt-get install haproxy',
  nginx: 'nginx: apt-get install nginx-light',
  bash: 'bash: apt-get install bash',
  zsh: 'zsh: apt-get install zsh',
  fish: 'fish: apt-get install fish',
  mandoc: 'mandoc: apt-get install mandoc',
  systemdNotify: 'systemd-notify: apt-get install systemd',
  systemdAnalyze: 'systemd-analyze: apt-get install systemd',
  go: 'Go and Sprig: apt-get install golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev',
  postgresBin:
    'PostgreSQL server binaries that can be run as another user than root: apt-get install postgresql',
};

/** Handed from the setup to the forks that run the tests, which inherit its environment. */
export const SERVICES_VARIABLE = 'TEST_SERVICES';

export function services(): Services {
  const probed = process.env[SERVICES_VARIABLE];
  if (probed === undefined)
    throw new Error('services() is known only after test/support/global-setup.ts ran.');
  const found = JSON.parse(probed) as Partial<Services>;
  return {
    postgres: found.postgres,
    django: found.django ?? false,
    redis: found.redis,
    redisPy: found.redisPy ?? false,
    chromium: found.chromium,
    firefox: found.firefox,
    webkit: found.webkit,
    pgbouncer: found.pgbouncer,
    haproxy: found.haproxy,
    nginx: found.nginx,
    bash: found.bash,
    zsh: found.zsh,
    fish: found.fish,
    mandoc: found.mandoc,
    systemdNotify: found.systemdNotify,
    systemdAnalyze: found.systemdAnalyze,
    go: found.go,
    postgresBin: found.postgresBin,
  };
}

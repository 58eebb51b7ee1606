/**
 * One URL, and what must come of it. `{tls}` is the port of a primary with TLS (a private authority, its certificate for
 * `localhost` alone), `{plain}` that of its standby, which has no TLS, `{pool}` PgBouncer's, `{dir}` the directory of
 * socket and certificates.
 */
export interface UrlCase {
  readonly url: string;
  /** `connects`; `url`: refused as it is read; else why there is no connection. */
  readonly comes: string;
  /** Some of what it is connected to. */
  readonly to?: Readonly<Record<string, unknown>>;
  /** Part of the sentence that is told. */
  readonly says?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The URL that psycopg2 gets, where it doesn't know the dialect. */
  readonly psycopg2?: string;
  /** Why psycopg2 comes to something else. */
  readonly differs?: string;
}

const connects = (url: string, to: UrlCase['to'] = {}, more: Partial<UrlCase> = {}): UrlCase => ({
  url,
  comes: 'connects',
  to,
  ...more,
});
const fails = (url: string, comes: string, says: string, more: Partial<UrlCase> = {}): UrlCase => ({
  url,
  comes,
  says,
  ...more,
});

const AT = 'postgres@localhost:{tls}/postgres';
const PLAIN = 'postgres://postgres@localhost:{plain}/postgres';
const CA = 'sslrootcert={dir}/ca.crt';
const CLIENT = 'sslcert={dir}/client.crt&sslkey={dir}/client.key';
const BY_CERT = 'postgres://by_cert@localhost:{tls}/postgres';
const TLS = { tls: true };
const NO_TLS = { tls: false };
const dialect = (url: string): UrlCase =>
  connects(url, { user: 'postgres' }, { psycopg2: `postgresql://${AT}?sslmode=disable` });

export const DATABASE_URLS: readonly UrlCase[] = [
  // Dialects.
  dialect(`postgres://${AT}?sslmode=disable`),
  dialect(`postgresql://${AT}?sslmode=disable`),
  dialect(`psql://${AT}?sslmode=disable`),
  dialect(`pgsql://${AT}?sslmode=disable`),
  dialect(`postgis://${AT}?sslmode=disable`),
  dialect(`POSTGRES://${AT}?sslmode=disable`),
  dialect(`postgresql+psycopg2://${AT}?sslmode=disable`),
  dialect(`postgresql+psycopg://${AT}?sslmode=disable`),
  dialect(`django.db.backends.postgresql://${AT}?sslmode=disable`),
  dialect(`django.contrib.gis.db.backends.postgis://${AT}?sslmode=disable`),
  dialect(`  "postgres://${AT}?sslmode=disable" `),
  dialect(`'postgres://${AT}?sslmode=disable'`),
  dialect(`jdbc:postgresql://localhost:{tls}/postgres?user=postgres&ssl=false`),
  dialect(`postgres://${AT}?sslmode=disable&conn_max_age=600&conn_health_checks=true`),
  dialect('host=localhost port={tls} user=postgres dbname=postgres sslmode=disable'),
  connects("host=localhost port={tls} user = postgres dbname='my app' sslmode=disable", { database: 'my app' }),
  fails('mysql://u:hunter2@localhost/app', 'url', 'no URL of PostgreSQL'),
  fails('host=localhost dbname', 'url', 'no list such as host=db'),
  // Who, and what.
  connects('postgres://scram:{password}@localhost:{tls}/postgres', { user: 'scram' }, {
    differs: 'on loopback without sslmode plain is tried first',
  }),
  connects('postgres://scram:{password}@localhost:{tls}/postgres?sslmode=require', { user: 'scram', tls: true }),
  connects('postgres://localhost:{tls}/my%20app?user=postgres&sslmode=disable', { database: 'my app' }),
  connects('postgres://postgres@localhost:{tls}?sslmode=disable', { database: 'postgres' }),
  connects('postgres://ignored:hunter2@nowhere.invalid:1/nothing?host=localhost&port={tls}&user=postgres&dbname=postgres&sslmode=disable', { user: 'postgres' }),
  fails('postgres://scram@localhost:{tls}/postgres', 'password_missing', 'asks for a password of scram'),
  fails('postgres://scram:hunter2@localhost:{tls}/postgres', 'password_refused', 'does not accept this password'),
  fails('postgres://scram:hunter%zz@localhost/app', 'url', 'its password has a % that no two'),
  fails('postgres://scram:hunter%ff@localhost/app', 'url', 'its password has %XX that are not UTF-8', ),
  fails('postgres://scram:hunter%00@localhost/app', 'url', 'its password has %00'),
  fails('postgres://scram:hun/ter2@localhost/app', 'url', 'special character: write / as %2F'),
  fails('postgres://scram:hun@ter2@localhost/app', 'url', 'special character: write / as %2F'),
  fails('postgres://postgres@localhost:{tls}/nowhere', 'database_missing', 'no database nowhere'),
  fails('postgres://postgres@localhost:54x/app', 'url', 'its port is no number'),
  fails('postgres://postgres@localhost:70000/app', 'url', 'its port is no number from 1 to 65535'),
  fails('postgres://tls_only@localhost:{tls}/closed?sslmode=require', 'connect_denied', 'GRANT CONNECT'),
  fails('postgres://unnamed@localhost:{tls}/postgres', 'host_refused', 'pg_hba.conf'),
  fails('postgres://postgres@nowhere.invalid/app', 'away', 'host name nowhere.invalid'),
  fails('postgres://postgres@127.0.0.1:1/app?connect_timeout=3', 'away', 'could not be reached'),
  fails('postgres://postgres@localhost/app?connect_timeout=soon', 'url', 'its connect_timeout is no whole number'),
  fails('postgres://postgres@localhost/app?sslmode', 'url', 'has no value'),
  // The environment.
  connects('postgres://scram@localhost:{tls}/postgres?sslmode=disable', { user: 'scram' }, { env: { PGPASSFILE: '{dir}/passes' } }),
  connects('postgres://scram@localhost:{tls}/postgres?sslmode=disable&passfile={dir}/passes', { user: 'scram' }),
  fails('postgres://scram@localhost:{tls}/postgres?passfile={dir}/open-passes', 'password_missing', 'chmod 600'),
  fails('postgres://scram@127.0.0.1:{tls}/postgres?passfile={dir}/passes', 'password_refused', 'does not accept'),
  connects('postgres:///', { user: 'postgres', database: 'my app' }, {
    env: { PGHOST: 'localhost', PGPORT: '{tls}', PGUSER: 'postgres', PGDATABASE: 'my app', PGSSLMODE: 'disable' },
  }),
  fails('postgres://scram@localhost:{tls}/postgres', 'password_refused', 'that of PGPASSWORD', { env: { PGPASSWORD: 'hunter2' } }),
  connects('postgres://tls_only@localhost:{tls}/postgres?sslmode=verify-full', TLS, { env: { PGSSLROOTCERT: '{dir}/ca.crt' } }),
  fails(`postgres://${AT}`, 'url', "the environment's PGSSLMODE is none", { env: { PGSSLMODE: 'on' } }),
  fails(`postgres://${AT}?service=app`, 'url', 'its service is not supported: write its host'),
  // sslmode.
  connects(`postgres://${AT}?sslmode=disable`, NO_TLS),
  connects(`postgres://${AT}?sslmode=allow`, NO_TLS),
  connects(`postgres://${AT}?sslmode=prefer`, TLS),
  connects(`postgres://${AT}?sslmode=require`, TLS),
  connects(`postgres://${AT}?sslmode=require&${CA}`, TLS),
  connects(`postgres://postgres@127.0.0.1:{tls}/postgres?sslmode=require&${CA}`, TLS),
  connects(`postgres://${AT}?sslmode=verify-ca&${CA}`, TLS),
  connects(`postgres://postgres@127.0.0.1:{tls}/postgres?sslmode=verify-ca&${CA}`, TLS),
  connects(`postgres://${AT}?sslmode=verify-full&${CA}`, TLS),
  connects(`postgres://${AT}?hostaddr=127.0.0.1&sslmode=verify-full&${CA}`, TLS),
  connects(`postgres://${AT}?sslmode=require&ssl_min_protocol_version=TLSv1.3`, TLS),
  connects('postgres://scram:{password}@localhost:{tls}/postgres?sslmode=require&channel_binding=require', TLS),
  fails('postgres://scram:{password}@localhost:{tls}/postgres?sslmode=disable&channel_binding=require', 'channel_binding', 'channel_binding=require'),
  fails(`postgres://postgres@127.0.0.1:{tls}/postgres?sslmode=verify-full&${CA}`, 'tls_other_name', 'for another name than 127.0.0.1'),
  fails(`postgres://${AT}?sslmode=verify-full&sslrootcert={dir}/other-ca.crt`, 'tls_untrusted', 'not trusted here'),
  fails(`postgres://${AT}?sslmode=require&sslrootcert={dir}/other-ca.crt`, 'tls_untrusted', 'sslrootcert=FILE'),
  fails(`postgres://${AT}?sslmode=verify-full`, 'tls_untrusted', 'sslrootcert=FILE'),
  fails(`postgres://${AT}?sslmode=verify-ca`, 'tls_root_missing', 'no certificate to verify with'),
  fails(`postgres://${AT}?sslmode=verify-full&sslrootcert={dir}/none.crt`, 'file_unreadable', '{dir}/none.crt'),
  fails(`postgres://${AT}?sslmode=require&sslrootcert={dir}/none.crt`, 'file_unreadable', '{dir}/none.crt', {
    differs: 'libpq verifies nothing then',
  }),
  fails(`postgres://${AT}?sslmode=require&sslrootcert=system`, 'url', 'too weak for sslrootcert=system', {
    differs: 'libpq knows the word from 16 on',
  }),
  fails(`postgres://${AT}?sslrootcert=system`, 'tls_untrusted', 'not trusted here', {
    differs: 'libpq knows the word from 16 on',
  }),
  fails(`postgres://${AT}?sslmode=on`, 'url', 'its sslmode is none that there is'),
  connects(`${PLAIN}?sslmode=prefer`, { tls: false, standby: true }),
  fails(`${PLAIN}?sslmode=require`, 'tls_unsupported', 'Turn on ssl'),
  fails(`${PLAIN}?sslmode=verify-full&${CA}`, 'tls_unsupported', 'Turn on ssl'),
  connects('postgres://plain_only@localhost:{tls}/postgres?sslmode=prefer', NO_TLS),
  connects('postgres://plain_only@localhost:{tls}/postgres', NO_TLS),
  connects('postgres://tls_only@localhost:{tls}/postgres?sslmode=allow', TLS),
  connects('postgres://tls_only@localhost:{tls}/postgres', TLS),
  fails('postgres://plain_only@localhost:{tls}/postgres?sslmode=require', 'host_refused', 'pg_hba.conf'),
  fails('postgres://tls_only@localhost:{tls}/postgres?sslmode=disable', 'host_refused', 'sslmode=require'),
  // Client certificates.
  connects(`${BY_CERT}?sslmode=verify-full&${CA}&${CLIENT}`, { user: 'by_cert', tls: true }),
  connects(`${BY_CERT}?sslmode=require&sslcert={dir}/client.crt&sslkey={dir}/client-locked.key&sslpassword=opensesame`, TLS),
  fails(`${BY_CERT}?sslmode=require&sslcert={dir}/client.crt&sslkey={dir}/client-locked.key&sslpassword=hunter2`, 'tls_key_unfit', 'sslpassword is its passphrase'),
  fails(`${BY_CERT}?sslmode=require&sslcert={dir}/client.crt&sslkey={dir}/server.key`, 'tls_key_unfit', 'the key of sslcert'),
  fails(`${BY_CERT}?sslmode=require`, 'client_certificate', 'sslcert=FILE'),
  fails(`postgres://by_cert@localhost:{tls}/postgres?sslmode=require&sslcert={dir}/other-ca.crt&sslkey={dir}/none.key`, 'file_unreadable', '{dir}/none.key'),
  fails(`postgres://by_cert@localhost:{tls}/postgres`, 'client_certificate', 'sslcert=FILE'),
  // Sockets.
  connects('postgres://postgres@{%dir}:{tls}/postgres', { port: null, tls: false }),
  connects('postgres://postgres@/postgres?host={dir}&port={tls}', { port: null }),
  connects('postgres:///postgres?host={dir}&port={tls}&user=scram&password={password}&sslmode=require', { user: 'scram' }),
  connects('postgres://postgres@/postgres', { port: null }, { env: { PGHOST: '{dir}', PGPORT: '{tls}' } }),
  fails('postgres://postgres@{%dir}:1/postgres', 'away', 'the socket {dir}/.s.PGSQL.1'),
  // Several hosts.
  connects('postgres://postgres@localhost:{plain},localhost:{tls}/postgres?sslmode=prefer&target_session_attrs=read-write', { standby: false }),
  connects('postgres://postgres@localhost:{plain},localhost:{tls}/postgres?sslmode=prefer&target_session_attrs=primary', { standby: false }),
  connects('postgres://postgres@localhost:{plain},localhost:{tls}/postgres?target_session_attrs=any', { standby: true }),
  connects('postgres://postgres@localhost:{plain},localhost:{tls}/postgres', { standby: false }, { differs: 'we write' }),
  connects('postgres://postgres@127.0.0.1:1,localhost:{tls}/postgres?sslmode=require', TLS),
  connects('postgres:///postgres?host=127.0.0.1,localhost&port=1,{tls}&user=postgres&sslmode=disable', { standby: false }),
  connects('postgres://postgres@[::1]:1,127.0.0.1:{tls}/postgres?sslmode=require', TLS),
  fails(`${PLAIN}?target_session_attrs=read-write`, 'read_only', 'takes no writes'),
  fails('postgres://postgres@h1:1,h2:2,h3/postgres?port=1,2', 'url', 'it has 3 hosts and 2 ports'),
  fails(`postgres://${AT}?target_session_attrs=standby`, 'url', 'takes no writes: give read-write', {
    psycopg2: `${PLAIN}?target_session_attrs=standby`,
    differs: 'nothing can be written there',
  }),
  fails('postgres://postgres@::1:5432/postgres', 'url', 'an IPv6 address goes in brackets'),
  // What the server is told.
  connects(`postgres://${AT}?sslmode=disable&application_name=web`, { named: 'web' }),
  connects(`postgres://${AT}?sslmode=disable&options=-csearch_path%3Dt1`, { search_path: 't1' }),
  connects(`postgres://${AT}?sslmode=disable&options=-c%20search_path%3Dt1,public`, { search_path: 't1,public' }),
  connects(`postgres://${AT}?sslmode=disable&currentSchema=t1`, { search_path: 't1' }, {
    psycopg2: `postgres://${AT}?sslmode=disable&options=-csearch_path%3Dt1`,
  }),
  connects(`postgres://${AT}?sslmode=disable&keepalives=1&keepalives_idle=30&connect_timeout=5`),
  // PgBouncer.
  connects('postgres://postgres@localhost:{pool}/postgres?sslmode=disable', { user: 'postgres' }),
  connects('postgres://postgres@localhost:{pool}/postgres?sslmode=prefer', { user: 'postgres' }),
  fails('postgres://postgres@localhost:{pool}/postgres?sslmode=require', 'tls_unsupported', 'Turn on ssl'),
]; // prettier-ignore

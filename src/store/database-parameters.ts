import { splitSearchPath } from './search-path.js';
import { shown, UrlError, type Given } from './database-url-text.js';

export type Environment = Readonly<Record<string, string | undefined>>;

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const;

/** libpq's: https://www.postgresql.org/docs/current/libpq-ssl.html; `no-verify` is pg's: `require`, whatever else is given. */
export type SslMode = (typeof SSL_MODES)[number];

const TLS_VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
type TlsVersion = (typeof TLS_VERSIONS)[number];

/** What parameters say, beside where the database is and who connects. Undefined: nothing is said. */
export interface Parameters {
  readonly sslMode: SslMode | undefined;
  /** Paths; `system` is a word of libpq's. */
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  readonly sslCrl: string | undefined;
  readonly sslPassword: string | undefined;
  readonly tlsMin: TlsVersion | undefined;
  readonly tlsMax: TlsVersion | undefined;
  /** TLS from the first byte on (`sslnegotiation`). */
  readonly sslDirect: boolean;
  readonly channelBinding: boolean;
  readonly targetSessionAttrs: 'any' | 'read-write' | 'primary' | undefined;
  /** Infinity: as long as it takes. */
  readonly connectTimeoutMs: number | undefined;
  readonly applicationName: string | undefined;
  /** Without a search path. */
  readonly options: string | undefined;
  /**
   * As PostgreSQL takes the setting. It isn't sent when connecting: a pooler refuses it, or keeps it for whoever comes next.
   */
  readonly searchPath: string | undefined;
  readonly keepAlive: boolean;
  readonly keepAliveIdleMs: number | undefined;
  readonly passFile: string | undefined;
}

/** Taken where the URL says nothing: https://www.postgresql.org/docs/current/libpq-envars.html */
const VARIABLES: Readonly<Record<string, string>> = {
  host: 'PGHOST', hostaddr: 'PGHOSTADDR', port: 'PGPORT', dbname: 'PGDATABASE', user: 'PGUSER', password: 'PGPASSWORD',
  passfile: 'PGPASSFILE', service: 'PGSERVICE', options: 'PGOPTIONS', sslmode: 'PGSSLMODE', requiressl: 'PGREQUIRESSL',
  sslcert: 'PGSSLCERT', sslkey: 'PGSSLKEY', sslrootcert: 'PGSSLROOTCERT', sslcrl: 'PGSSLCRL', sslcrldir: 'PGSSLCRLDIR',
  sslnegotiation: 'PGSSLNEGOTIATION', ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION', channel_binding: 'PGCHANNELBINDING', gssencmode: 'PGGSSENCMODE',
  requirepeer: 'PGREQUIREPEER', require_auth: 'PGREQUIREAUTH', connect_timeout: 'PGCONNECT_TIMEOUT',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
}; // prettier-ignore

/** Would be kept by libpq and can't be here; to pass one over would connect elsewhere, or less safely. */
const REFUSED: Readonly<Record<string, string>> = {
  service: 'write its host, port, dbname and user into the URL',
  servicefile: 'write what it says into the URL',
  requirepeer: 'leave it out; a directory that only PostgreSQL may write to says as much',
  require_auth: 'leave it out; with sslmode=verify-full the server is known',
  sslcrldir: 'name one file with sslcrl',
  replication: 'leave it out',
  krbsrvname: 'Kerberos is not supported here: give a password or a client certificate',
  ldapserviceurl: 'leave it out',
};

/** libpq's that change nothing of what is done here, and Django's and its packages' own. */
const WITHOUT_EFFECT =
  /^(?:fallback_application_name|client_encoding|sslcompression|sslsni|sslcertmode|gsslib|gssdelegation|uselibpqcompat|(?:min|max)_protocol_version|engine|conn_max_age|conn_health_checks|disable_server_side_cursors|atomic_requests|autocommit|time_zone|pool|isolation_level|server_side_binding|prepare_threshold|assume_role)$/i;

/** Node.js has no call for them. */
const NOT_OF_NODE = /^(?:keepalives_interval|keepalives_count|tcp_user_timeout)$/;

const ALIASES: Readonly<Record<string, string>> = { database: 'dbname', db: 'dbname', username: 'user' };

const KNOWN = new Set([
  ...Object.keys(VARIABLES),
  'application_name', 'keepalives', 'keepalives_idle', 'sslpassword', 'ssl', 'ssl_require', 'currentschema',
  'load_balance_hosts', 'targetservertype',
]); // prettier-ignore

interface Read {
  readonly values: Readonly<
    Record<'host' | 'hostaddr' | 'port' | 'dbname' | 'user' | 'password', string | undefined>
  >;
  readonly parameters: Parameters;
  readonly warnings: readonly string[];
}

/** @throws UrlError */
export function readParameters(given: Given, env: Environment): Read {
  const warnings: string[] = [];
  const all = new Map<string, string>();
  for (const [written, value] of given) {
    const lower = written.toLowerCase();
    const name = ALIASES[lower] ?? lower;
    if (KNOWN.has(name) || name in REFUSED) all.set(name, value);
    else if (NOT_OF_NODE.test(name))
      warnings.push(`its parameter ${name} has no effect here: set the kernel's`);
    else if (!WITHOUT_EFFECT.test(name))
      warnings.push(`its parameter ${shown(written)} is not known here, and has no effect`);
  }
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const value = env[variable];
    if (!all.has(name) && value !== undefined && value !== '') all.set(name, value);
  }
  for (const [name, instead] of Object.entries(REFUSED)) {
    if (all.has(name)) throw new UrlError(`${nameOf(name, given)} is not supported: ${instead}`);
  }
  const get = (name: string): string | undefined => all.get(name);
  const oneOf = <T extends string>(name: string, allowed: readonly T[]): T | undefined => {
    const value = get(name);
    const found = allowed.find((one) => one === value);
    if (value === undefined || found !== undefined) return found;
    throw new UrlError(`${nameOf(name, given)} is none that there is: give one of ${allowed.join(', ')}`);
  };
  const number = (name: string): number | undefined => {
    const value = get(name)?.trim();
    if (value === undefined || /^-?\d{1,9}$/.test(value))
      return value === undefined ? undefined : Number(value);
    throw new UrlError(`${nameOf(name, given)} is no whole number`);
  };
  if (oneOf('gssencmode', ['disable', 'prefer', 'require']) === 'require') {
    throw new UrlError('its gssencmode=require is not supported: leave it out, and give sslmode=verify-full');
  }
  if (oneOf('load_balance_hosts', ['disable', 'random']) === 'random') {
    warnings.push('its load_balance_hosts=random has no effect here: hosts are tried in order');
  }
  const timeout = number('connect_timeout');
  const idle = number('keepalives_idle');
  const sslRootCert = get('sslrootcert');
  const sslMode = sslModeOf(get, oneOf);
  if (sslRootCert === 'system' && sslMode !== undefined && sslMode !== 'verify-full') {
    // Anybody may have a certificate of those authorities, for another name. libpq refuses it likewise.
    throw new UrlError(`its sslmode=${sslMode} is too weak for sslrootcert=system: give sslmode=verify-full`);
  }
  const sslDirect = oneOf('sslnegotiation', ['postgres', 'direct']) === 'direct';
  if (sslDirect && (sslMode === undefined || ['disable', 'allow', 'prefer'].includes(sslMode))) {
    throw new UrlError('its sslnegotiation=direct needs sslmode=require, verify-ca or verify-full');
  }
  return {
    values: {
      host: get('host'), hostaddr: get('hostaddr'), port: get('port'), dbname: get('dbname'), user: get('user'),
      password: get('password'),
    }, // prettier-ignore
    parameters: {
      sslMode,
      sslRootCert,
      sslCert: get('sslcert'),
      sslKey: get('sslkey'),
      sslCrl: get('sslcrl'),
      sslPassword: get('sslpassword'),
      tlsMin: oneOf('ssl_min_protocol_version', TLS_VERSIONS),
      tlsMax: oneOf('ssl_max_protocol_version', TLS_VERSIONS),
      sslDirect,
      channelBinding: oneOf('channel_binding', ['disable', 'prefer', 'require']) === 'require',
      targetSessionAttrs: attrsOf(get, given),
      // libpq takes 1 for 2, and 0 for "wait for ever".
      connectTimeoutMs:
        timeout === undefined ? undefined : timeout <= 0 ? Infinity : Math.max(2, timeout) * 1000,
      applicationName: get('application_name'),
      ...optionsOf(get),
      keepAlive: number('keepalives') !== 0,
      keepAliveIdleMs: idle === undefined || idle <= 0 ? undefined : idle * 1000,
      passFile: get('passfile'),
    },
    warnings,
  };
}

function nameOf(name: string, given: Given): string {
  const ofUrl = [...given.keys()].some((key) => key.toLowerCase() === name);
  const variable = VARIABLES[name];
  return ofUrl || variable === undefined ? `its ${name}` : `the environment's ${variable}`;
}

const TRUE = /^(?:true|1|yes|on|require)$/i;

function sslModeOf(
  get: (name: string) => string | undefined,
  oneOf: <T extends string>(name: string, allowed: readonly T[]) => T | undefined,
): SslMode | undefined {
  const mode = oneOf('sslmode', SSL_MODES);
  if (mode !== undefined) return mode;
  // JDBC's and pg's ssl, dj-database-url's ssl_require, an old libpq's requiressl.
  const switched = get('ssl') ?? get('ssl_require') ?? get('requiressl');
  if (switched === 'no-verify') return 'no-verify';
  if (switched !== undefined)
    return TRUE.test(switched) ? 'require' : get('ssl') === undefined ? undefined : 'disable';
  return get('sslrootcert') === 'system' ? 'verify-full' : undefined;
}

function attrsOf(get: (name: string) => string | undefined, given: Given): Parameters['targetSessionAttrs'] {
  const value = get('target_session_attrs') ?? get('targetservertype');
  if (value === undefined || value === 'any' || value === 'read-write' || value === 'primary') return value;
  const known = ['read-only', 'standby', 'prefer-standby'].includes(value);
  throw new UrlError(
    known
      ? `${nameOf('target_session_attrs', given)}=${value} leads to a server that takes no writes: give read-write`
      : `${nameOf('target_session_attrs', given)} is none that there is: give one of read-write, primary, any`,
  );
}

/** JDBC's currentSchema is a setting here; `+` for a blank comes from Django's reading of URLs, and libpq has no need of it. */
function optionsOf(get: (name: string) => string | undefined): Pick<Parameters, 'options' | 'searchPath'> {
  const given = get('options');
  const readable = given?.includes(' ') === false ? given.replaceAll('+', ' ') : given;
  const { options, searchPath } = splitSearchPath(readable);
  return { options, searchPath: get('currentschema') ?? searchPath };
}

import { processSource } from '../config/source.js';
import { isTooSlow } from '../store/errors.js';
import { diagnoseConnect, type ConnectDiagnosis, type ConnectFailure } from '../store/connect-failure.js';

/** Names all of a URL but the password. */
interface Place {
  readonly server: string;
  readonly host: string;
  readonly database: string;
  readonly user: string;
  readonly hasPassword: boolean;
}

type Code =
  | 'POOLER'
  | 'DATABASE_UNREACHABLE'
  | 'DATABASE_MISSING'
  | 'DATABASE_LOGIN_REFUSED'
  | 'DATABASE_PASSWORD_MISSING'
  | 'DATABASE_CONNECT_DENIED'
  | 'DATABASE_TLS_FAILED';

/** What is told where PostgreSQL can't be connected to; undefined: the error is about something else. */
export function connectError(error: unknown, url: string): { code: Code; message: string } | undefined {
  const diagnosis = diagnoseConnect(error);
  if (diagnosis === undefined) return undefined;
  const [code, sentence] = TOLD[diagnosis.failure](placeOf(url), diagnosis, isTooSlow(error));
  const why = diagnosis.code ?? (diagnosis.failure === 'away' ? 'no answer' : undefined);
  return { code, message: why === undefined ? sentence : `${sentence} (${why})` };
}

type Teller = (place: Place, diagnosis: ConnectDiagnosis, silent: boolean) => readonly [Code, string];

const TOLD: Readonly<Record<ConnectFailure, Teller>> = {
  away: ({ server, host, database, user }, { code }, silent) => [
    'DATABASE_UNREACHABLE',
    `PostgreSQL at ${server}, database ${database}, as ${user}, could not be reached. ` +
      (code === 'ENOTFOUND' || code === 'EAI_AGAIN'
        ? `This machine doesn't know the host name ${host}: check it in --database-url, and the DNS.`
        : code === 'ETIMEDOUT' || silent
          ? 'Nothing answers there: is it running, does a firewall let this machine through, and is --database-url right?'
          : code === '57P03'
            ? 'It is starting up, recovering or shutting down: try again in a moment.'
            : 'Is it running, and is --database-url right?'),
  ],
  full: ({ server, user }) => [
    'DATABASE_UNREACHABLE',
    `PostgreSQL at ${server} has no connection left for ${user}. Raise max_connections or the role's CONNECTION LIMIT, ` +
      'lower --pool-size, or put PgBouncer before it.',
  ],
  database_missing: ({ server, database }) => [
    'DATABASE_MISSING',
    `PostgreSQL at ${server} has no database ${database}. Check the name at the end of --database-url; ` +
      '`psql -l` lists those that there are.',
  ],
  password_refused: ({ server, user, hasPassword }) => [
    'DATABASE_LOGIN_REFUSED',
    `PostgreSQL at ${server} does not accept this password of ${user}, or has no such role. ` +
      (hasPassword
        ? 'Check user and password in --database-url; in a URL, write special characters of a password as %XX.'
        : environmentHasPassword()
          ? 'The password is that of PGPASSWORD, for --database-url has none: correct it, or unset it and put the right one into the URL.'
          : 'There is no password in --database-url: add it (postgres://user:password@host/database), or set PGPASSWORD.'),
  ],
  password_missing: ({ server, user }) => [
    'DATABASE_PASSWORD_MISSING',
    `PostgreSQL at ${server} asks for a password of ${user}, and none is given. ` +
      'Add it to --database-url (postgres://user:password@host/database), or set PGPASSWORD.',
  ],
  role_refused: ({ server, user }) => [
    'DATABASE_LOGIN_REFUSED',
    `PostgreSQL at ${server} has no role ${user} that may log in. Check the user in --database-url, or make the role: ` +
      'CREATE ROLE ... LOGIN.',
  ],
  host_refused: ({ server, database, user }) => [
    'DATABASE_LOGIN_REFUSED',
    `PostgreSQL at ${server} does not let ${user} in to database ${database} from this host, or not in this way. ` +
      'Add a line to its pg_hba.conf; where that wants TLS, add ?sslmode=require to --database-url.',
  ],
  connect_denied: ({ server, database, user }) => [
    'DATABASE_CONNECT_DENIED',
    `${user} may not connect to database ${database} of PostgreSQL at ${server}. ` +
      'As its owner, run GRANT CONNECT ON DATABASE ... TO that role.',
  ],
  tls_unsupported: ({ server }) => [
    'DATABASE_TLS_FAILED',
    `--database-url asks for TLS, and PostgreSQL at ${server} has none. Turn on ssl there, or take sslmode out of the URL.`,
  ],
  tls_untrusted: ({ server, host }) => [
    'DATABASE_TLS_FAILED',
    `The certificate of PostgreSQL at ${server} is not trusted here. Give the certificate of its authority with ` +
      `sslrootcert=FILE in --database-url, and connect by a name that the certificate has (now: ${host}).`,
  ],
  tls_failed: ({ server }) => [
    'DATABASE_TLS_FAILED',
    `TLS with PostgreSQL at ${server} failed. Is that port PostgreSQL's, and do both sides have a TLS version in common?`,
  ],
  file_unreadable: (_place, { path = '' }) => [
    'DATABASE_TLS_FAILED',
    `The file ${path}, which --database-url names, can't be read. Check the path and who may read it.`,
  ],
  statement_pooling: ({ server }) => [
    'POOLER',
    `PgBouncer at ${server} pools by statement, and this needs transactions. Set pool_mode = transaction for this ` +
      'database in its configuration, or give --database-url of PostgreSQL itself.',
  ],
  refused: ({ server, database, user }) => [
    'DATABASE_UNREACHABLE',
    `PostgreSQL at ${server}, database ${database}, refused the connection of ${user}. ` +
      'Its own log says why; check the parameters of --database-url.',
  ],
};

/** `pg` takes it where the URL has none. */
function environmentHasPassword(): boolean {
  return (processSource().env['PGPASSWORD'] ?? '') !== '';
}

/** The role that a URL names. */
export function roleOf(url: string): string {
  return placeOf(url).user;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function placeOf(url: string): Place {
  const { hostname, port, pathname, username, password } = URL.canParse(url)
    ? new URL(url)
    : { hostname: 'an address that cannot be read', port: '', pathname: '', username: '', password: '' };
  return {
    host: hostname,
    server: `${hostname}:${port === '' ? '5432' : port}`,
    database: pathname.slice(1),
    user: username === '' ? 'the default user' : decoded(username),
    hasPassword: password !== '',
  };
}

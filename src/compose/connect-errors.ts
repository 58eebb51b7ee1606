import type { Log } from '../observe/log.js';
import type { DatabaseTarget } from '../store/database-url.js';
import { defaultSocketDirectory } from '../store/libpq-files.js';
import { isTooSlow, NotConnectedError } from '../store/errors.js';
import { diagnoseConnect, type ConnectDiagnosis, type ConnectFailure } from '../store/connect-failure.js';

/** Names all of a URL but the password. */
interface Place {
  readonly server: string;
  readonly host: string;
  readonly database: string;
  readonly user: string;
  readonly passwordFrom: DatabaseTarget['passwordFrom'];
  readonly mode: string;
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
export function connectError(
  error: unknown,
  target: DatabaseTarget,
): { code: Code; message: string } | undefined {
  const diagnosis = diagnoseConnect(error);
  if (diagnosis === undefined) return undefined;
  const [code, sentence] = TOLD[diagnosis.failure](placeOf(target, error), diagnosis, isTooSlow(error));
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
  password_refused: ({ server, user, passwordFrom }) => [
    'DATABASE_LOGIN_REFUSED',
    `PostgreSQL at ${server} does not accept this password of ${user}, or has no such role. ` +
      (passwordFrom === 'url'
        ? 'Check user and password in --database-url; in a URL, write special characters of a password as %XX.'
        : passwordFrom === 'fetched'
          ? 'It was fetched as --database-password-file or --database-password-command says: is it that of this user, and still valid?'
          : passwordFrom === 'environment'
            ? 'The password is that of PGPASSWORD, for --database-url has none: correct it, or unset it and put the right one into the URL.'
            : 'There is no password in --database-url: add it (postgres://user:password@host/database), or set PGPASSWORD or PGPASSFILE.'),
  ],
  password_unavailable: ({ server, user }, { why = '' }) => [
    'DATABASE_PASSWORD_MISSING',
    `PostgreSQL at ${server} asks for a password of ${user}, and it could not be fetched: ${why}. ` +
      'Check the option, and try it as the user that this runs as.',
  ],
  password_missing: ({ server, user }) => [
    'DATABASE_PASSWORD_MISSING',
    `PostgreSQL at ${server} asks for a password of ${user}, and none is given. ` +
      'Add it to --database-url (postgres://user:password@host/database), set PGPASSWORD, or give ' +
      '--database-password-file. A ~/.pgpass that others ' +
      'may read is passed over: chmod 600.',
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
  client_certificate: ({ server, user }) => [
    'DATABASE_LOGIN_REFUSED',
    `PostgreSQL at ${server} wants a client certificate of ${user}, or another one. Give it with sslcert=FILE and ` +
      "sslkey=FILE in --database-url: of an authority that the server's ssl_ca_file has, for this role.",
  ],
  read_only: ({ server }) => [
    'DATABASE_UNREACHABLE',
    `PostgreSQL at ${server} takes no writes: it is a standby, or read only. Put the primary into --database-url; ` +
      'with several hosts (host1:5432,host2:5432) the one that takes writes is chosen.',
  ],
  channel_binding: ({ server }) => [
    'DATABASE_TLS_FAILED',
    `--database-url has channel_binding=require, and PostgreSQL at ${server} offers none: it takes SCRAM over TLS. ` +
      'Set password_encryption = scram-sha-256 there and the password anew, or take the parameter out.',
  ],
  tls_untrusted: ({ server, host }) => [
    'DATABASE_TLS_FAILED',
    `The certificate of PostgreSQL at ${server} is not trusted here. Give the certificate of its authority with ` +
      `sslrootcert=FILE in --database-url, and connect by a name that the certificate has (now: ${host}).`,
  ],
  tls_other_name: ({ server, host }) => [
    'DATABASE_TLS_FAILED',
    `The certificate of PostgreSQL at ${server} is for another name than ${host}. Put a name that it has into ` +
      '--database-url; to connect by another address, add hostaddr=ADDRESS. sslmode=verify-ca looks at no name.',
  ],
  tls_expired: ({ server }) => [
    'DATABASE_TLS_FAILED',
    `The certificate of PostgreSQL at ${server} has expired, or is not valid yet. Renew it there; check the clocks of both.`,
  ],
  tls_root_missing: ({ mode }) => [
    'DATABASE_TLS_FAILED',
    `--database-url has sslmode=${mode}, and no certificate to verify with. Give the certificate of the server's authority ` +
      'with sslrootcert=FILE; for one that every system trusts, sslrootcert=system and sslmode=verify-full.',
  ],
  tls_key_unfit: () => [
    'DATABASE_TLS_FAILED',
    "The client's key can't be used. Check that sslkey in --database-url is the key of sslcert, and sslpassword is its passphrase.",
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

function placeOf(target: DatabaseTarget, error: unknown): Place {
  const hosts = error instanceof NotConnectedError && error.host !== undefined ? [error.host] : target.hosts;
  const shown = hosts.map(({ host, port }) =>
    host === '' || host.startsWith('/')
      ? `the socket ${host || defaultSocketDirectory(port)}/.s.PGSQL.${port}`
      : host.includes(':')
        ? `[${host}]:${port}`
        : `${host}:${port}`,
  );
  return {
    host: hosts.map(({ host }) => host).join(','),
    server: shown.join(', '),
    database: target.database,
    user: target.user,
    passwordFrom: target.passwordFrom,
    mode: target.sslMode ?? 'prefer',
  };
}

/** While the same is in the way it is told once a minute. */
const TELL_AGAIN_MS = 60_000;

/**
 * Tells why a server that runs gets no connection: `/readyz` only says that it gets none. That nobody answers, as at a
 * restart, is told there.
 */
export function connectNews(target: DatabaseTarget, log: Log): (error: unknown) => void {
  let told = { code: '', atMs: -Infinity };
  return (error) => {
    const failure = diagnoseConnect(error)?.failure;
    if (failure === undefined || failure === 'away') return;
    const { code, message } = connectError(error, target) ?? { code: failure, message: failure };
    const nowMs = performance.now();
    if (told.code === code && nowMs - told.atMs < TELL_AGAIN_MS) return;
    told = { code, atMs: nowMs };
    log.warn('database_not_connected', { kind: code, cause: message });
  };
}

import { NotConnectedError, sqlStateOf } from './errors.js';
import { PasswordUnavailableError } from './password-source.js';

/** The server takes no writes, and target_session_attrs wants one that does. */
export class NotWritableError extends Error {
  override readonly name = 'NotWritableError';
}

/** sslmode=verify-ca, and no root certificate to verify with. */
export class MissingRootError extends Error {
  override readonly name = 'MissingRootError';
}

/** Why there is no connection to PostgreSQL. */
export type ConnectFailure =
  /** Nobody answers, or not yet: it may be otherwise in a moment. */
  | 'away'
  /** It answers, and has no connection left. */
  | 'full'
  | 'database_missing'
  | 'password_refused'
  | 'password_missing'
  /** It was to be fetched from a file or a command. */
  | 'password_unavailable'
  /** The role is not there or may not log in. */
  | 'role_refused'
  /** pg_hba.conf has no line for this role, database, host and kind of connection. */
  | 'host_refused'
  /** The server wants a client certificate, or another one. */
  | 'client_certificate'
  | 'connect_denied'
  /** A standby, or a server that is read only. */
  | 'read_only'
  | 'tls_unsupported'
  | 'tls_untrusted'
  | 'tls_expired'
  /** The certificate is for another host name. */
  | 'tls_other_name'
  /** sslmode wants the certificate verified, and there is nothing to verify it with. */
  | 'tls_root_missing'
  /** The client's key can't be read with sslpassword, or is not the certificate's. */
  | 'tls_key_unfit'
  | 'channel_binding'
  | 'tls_failed'
  /** A file that the URL names: of a certificate, or a key. */
  | 'file_unreadable'
  /** A pooler that gives each statement another session, and allows no transaction. */
  | 'statement_pooling'
  | 'refused';

export interface ConnectDiagnosis {
  readonly failure: ConnectFailure;
  /** SQLSTATE, errno or OpenSSL's code; undefined where there is none. */
  readonly code: string | undefined;
  /** With `file_unreadable`. */
  readonly path?: string;
  /** With `password_unavailable`: half a sentence that names the option. */
  readonly why?: string;
}

/** Refusals that say that the server is on its way up or down, or lost: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const COMES_AND_GOES = /^(?:57P0[1-3]|08...)$/;

/** Nobody is there; or the name isn't known yet, as where containers start together. */
const NOBODY = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH',
  'ENETDOWN', 'ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL', 'ENOENT', 'ENOTCONN',
]); // prettier-ignore

const UNTRUSTED =
  /^(?:SELF_SIGNED_CERT|DEPTH_ZERO_|UNABLE_TO_(?:GET|VERIFY)|CERT_|ERR_TLS_CERT_ALTNAME_INVALID|INVALID_CA|HOSTNAME_MISMATCH)/;
/** Of the client's own key and certificate, before anything is sent. */
const UNFIT_KEY =
  /^ERR_(?:OSSL_(?:PEM|EVP|BAD_DECRYPT|WRONG_TAG|UNSUPPORTED|CRYPTO|ASN1|X509|RSA|EC)|SSL_(?:NO_CERTIFICATE|KEY)|CRYPTO)/;
/** What the server told of the client's certificate; https://www.rfc-editor.org/rfc/rfc8446#section-6 */
const ALERTED =
  /^ERR_SSL_(?:TLSV1_ALERT_(?:UNKNOWN_CA|DECRYPT_ERROR|ACCESS_DENIED)|TLSV13_ALERT_CERTIFICATE_REQUIRED|SSLV3_ALERT_(?:BAD|UNSUPPORTED)?_?CERTIFICATE\w*|SSL\/TLS_ALERT_\w*CERTIFICATE\w*)$/;
const OF_TLS = /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO$)/;

/**
 * Reads why a connection, or the first statement on it, failed. Undefined: it is about something else.
 *
 * `pg` says some things in words alone; those words are its own, and aren't translated.
 */
export function diagnoseConnect(error: unknown): ConnectDiagnosis | undefined {
  const connecting = error instanceof NotConnectedError;
  const cause: unknown = connecting ? error.cause : error;
  const sqlState = sqlStateOf(cause);
  const found = (failure: ConnectFailure, code = sqlState): ConnectDiagnosis => ({ failure, code });
  if (sqlState !== undefined && COMES_AND_GOES.test(sqlState)) return found(ofPooler(cause) ?? 'away');
  if (!(cause instanceof Error)) return connecting ? found('away') : undefined;
  if (/^Connection terminated/.test(cause.message)) return found('away');
  if (!connecting) return undefined;
  if (cause instanceof NotWritableError) return found('read_only', undefined);
  if (cause instanceof MissingRootError) return found('tls_root_missing', undefined);
  if (cause instanceof PasswordUnavailableError)
    return { failure: 'password_unavailable', code: undefined, why: cause.message };
  switch (sqlState) {
    case '53300':
      return found('full');
    case '3D000':
      return found('database_missing');
    case '28P01':
      return found('password_refused');
    case '28000':
      return found(ofAuthentication(cause));
    case '42501':
      return found('connect_denied');
    case undefined:
      break;
    default:
      return found('refused');
  }
  if (/client password must be/.test(cause.message)) return found('password_missing');
  if (/^channel_binding=/.test(cause.message)) return found('channel_binding');
  if (/does not support SSL/.test(cause.message)) return found('tls_unsupported');
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  if ('syscall' in cause && cause.syscall === 'open' && 'path' in cause && typeof cause.path === 'string') {
    return { failure: 'file_unreadable', code, path: cause.path };
  }
  if (code === undefined || NOBODY.has(code)) return found('away', code);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return found('tls_other_name', code);
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return found('tls_expired', code);
  if (UNTRUSTED.test(code)) return found('tls_untrusted', code);
  if (UNFIT_KEY.test(code)) return found('tls_key_unfit', code);
  if (ALERTED.test(code)) return found('client_certificate', code);
  return found(OF_TLS.test(code) ? 'tls_failed' : 'refused', code);
}

/** Three refusals have one SQLSTATE and, but for the last, one place in the server; their words may be translated. */
function ofAuthentication(cause: Error): ConnectFailure {
  const routine = 'routine' in cause ? cause.routine : undefined;
  if (/client certificate|certificate authentication failed/.test(cause.message)) return 'client_certificate';
  return routine === 'ClientAuthentication' ? 'host_refused' : 'role_refused';
}

/** PgBouncer has one SQLSTATE for all that it says by itself, 08P01, and words that aren't translated. */
function ofPooler(cause: unknown): ConnectFailure | undefined {
  const message = cause instanceof Error ? cause.message : '';
  if (/^no such database/.test(message)) return 'database_missing';
  if (/statement pooling mode/.test(message)) return 'statement_pooling';
  if (/^(?:no such user|.*(?:password|SASL|auth\w*) (?:authentication )?failed)/.test(message))
    return 'password_refused';
  return undefined;
}

/** Whether the connection broke: what `pg` says in words, and Node in codes. */
export function isConnectionError(error: unknown): boolean {
  return (
    error instanceof Error &&
    (isSessionEnded(error) ||
      /connection (terminated|ended)|connection error|not queryable|query read timeout/i.test(
        error.message,
      ) ||
      ('code' in error && typeof error.code === 'string' && /^E[A-Z]+$/.test(error.code)))
  );
}

/**
 * The server's last word to a session that an administrator or a shutdown ended. Whether it arrives, or only the end of the
 * connection, is a matter of the moment: to a command both are the same.
 */
function isSessionEnded(error: unknown): boolean {
  return /^57P0[123]$/.test(sqlStateOf(error) ?? '');
}

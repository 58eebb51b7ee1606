import { placeOf, type RedisAddress } from '../redis-address.js';

/** Why there is no connection. */
export interface RedisFailure {
  /** It answers, and will go on not being what --redis-url says; else it may be otherwise in a moment. */
  readonly lasting: boolean;
  /** What is so, and what to do. Holds no password, and has no full stop. */
  readonly why: string;
  /** Of one that may be otherwise in a moment: its code in brackets, and what may be done, to go on with. */
  readonly detail?: string;
}

const UNTRUSTED = /^(?:SELF_SIGNED_CERT|DEPTH_ZERO_|UNABLE_TO_(?:GET|VERIFY)|CERT_|INVALID_CA|ERR_TLS_CERT_)/;
/** What the server told of the client's certificate: https://www.rfc-editor.org/rfc/rfc8446#section-6 */
export const CERTIFICATE_ALERT =
  /^ERR_SSL_\w*ALERT_\w*(?:CERTIFICATE|UNKNOWN_CA|DECRYPT_ERROR|ACCESS_DENIED)/;

const SILENT: ReadonlySet<string> = new Set(['ETIMEDOUT', 'ECONNRESET', 'EPROTO']);

/** Reads what a client met on its way to being connected. Undefined: it says nothing. */
export function failureOf(error: unknown, address: RedisAddress): RedisFailure | undefined {
  const cause = innermost(error);
  if (!(cause instanceof Error)) return undefined;
  if (address.kind === 'sentinel') {
    const told = ofSentinels(cause.message, address);
    if (told !== undefined) return told;
  }
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  if (code !== undefined) return ofCode(code, address);
  return undefined;
}

/** A cluster tells what the last of its nodes said. */
export function innermost(error: unknown): unknown {
  if (!(error instanceof Error) || !('lastNodeError' in error)) return error;
  return error.lastNodeError ?? error;
}

/** Of the sentinels' own errors only the words reach us, inside of others. */
function ofSentinels(message: string, address: RedisAddress): RedisFailure | undefined {
  if (/invalid reply: null|No such master/.test(message)) {
    return {
      lasting: true,
      why:
        `the sentinels know no master called ${address.masterName ?? ''}. Write the name that their \`sentinel monitor\` ` +
        'has: redis+sentinel://host1,host2/master-name',
    };
  }
  if (/unknown command.*sentinel/i.test(message)) {
    return { lasting: true, why: 'what answers there is no sentinel: write redis:// for a Redis alone' };
  }
  // Another sentinel may answer: it is the last word only where none did.
  const code = /^All sentinels.*\b(E[A-Z]{4,})\b/.exec(message)?.[1];
  if (code !== undefined) return ofCode(code, address);
  if (!/WRONGPASS|NOAUTH|NOPERM|without any password configured/.test(message)) return undefined;
  return {
    lasting: true,
    why:
      'the sentinels refuse the log-in. They have a password of their own: give it with sentinel_password=, and ' +
      'sentinel_username= where they have users; without requirepass, leave both out',
  };
}

function ofCode(code: string, address: RedisAddress): RedisFailure {
  const place = placeOf(address);
  const lasting = (why: string): RedisFailure => ({ lasting: true, why: `${why} (${code})` });
  const now = (hint: string): RedisFailure => {
    const detail = `(${code})${hint}`;
    return { lasting: false, why: `it could not be reached ${detail}`, detail };
  };
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return now('. Its certificate has expired or is not valid yet: renew it, and check the clocks of both');
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return lasting(
      `its certificate is for another name than ${place}. Put a name that it has into --redis-url; ` +
        'ssl_check_hostname=false looks at no name',
    );
  }
  if (UNTRUSTED.test(code)) {
    return lasting(
      'its certificate is not trusted here. Give the certificate of its authority with ssl_ca_certs=FILE in ' +
        '--redis-url; ssl_cert_reqs=none verifies nothing',
    );
  }
  if (CERTIFICATE_ALERT.test(code)) return lasting(WANTS_CERTIFICATE);
  switch (code) {
    case 'ENOENT':
      return now('. There is no such socket: is Redis running, with this `unixsocket`?');
    case 'EACCES':
    case 'EPERM':
      return lasting(
        'this user may not open it: see `unixsocketperm` of Redis, and the rights of its directory',
      );
    case 'ENOTSOCK':
      return lasting('it is no socket: give the path that `unixsocket` of Redis has');
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return now('. This machine does not know the host name: check it in --redis-url, and the DNS');
    default:
      // So it looks where one side speaks TLS and the other one doesn't.
      return now(address.tls && SILENT.has(code) ? '; does it speak TLS (rediss://)?' : '');
  }
}

export const WANTS_CERTIFICATE =
  'it wants a client certificate, or another one. Give it with ssl_certfile=FILE and ssl_keyfile=FILE in --redis-url: ' +
  'of an authority that its tls-ca-cert-file has';

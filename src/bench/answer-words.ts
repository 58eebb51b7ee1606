import type { BenchErrorCode } from './error.js';

/** What an answer that is no refreshed token means, and what to do. */
export interface Meaning {
  readonly code: BenchErrorCode;
  /** Fits behind "it answered HTTP 429:", and ends with a full stop. */
  readonly words: string;
}

/** Nobody here vouches for the server's certificate; Node's and OpenSSL's words for it. */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);
const OTHER_CERTIFICATE = new Set(['ERR_TLS_CERT_ALTNAME_INVALID', 'CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
const TIMED_OUT = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'ETIMEDOUT',
]);
const NO_FILES = new Set(['EMFILE', 'ENFILE']);

/** Whether a server answered at all. */
export function isAnswer(kind: string): boolean {
  return kind.startsWith('HTTP') || kind === NO_TOKEN;
}

/** The kind of a 200 without a token. */
export const NO_TOKEN = 'no token in a 200';

/**
 * @param kind the label of an error: `HTTP 429`, `ECONNREFUSED`
 * @param location where a redirect leads
 */
export function meaningOf(kind: string, location?: string): Meaning {
  if (isAnswer(kind)) return meaningOfStatus(Number(kind.slice(5)), location);
  const unreachable = (words: string): Meaning => ({ code: 'TARGET_UNREACHABLE', words });
  if (UNTRUSTED.has(kind)) {
    return unreachable(
      'its certificate is signed by nobody that is trusted here. Name its authority with NODE_EXTRA_CA_CERTS=ca.pem, or give --insecure to load it unverified.',
    );
  }
  if (OTHER_CERTIFICATE.has(kind)) {
    return unreachable(
      'its certificate is for another name, or not valid now. Use the name that it is for, or give --insecure to load it unverified.',
    );
  }
  if (kind === 'ENOTFOUND' || kind === 'EAI_AGAIN')
    return unreachable('there is no address for this name. Is it spelt right, and does DNS work here?');
  if (TIMED_OUT.has(kind))
    return unreachable('nothing came back in time. Is there a firewall in between, or is the server stuck?');
  if (NO_FILES.has(kind)) {
    return {
      code: 'OPEN_FILES',
      words:
        'it is this machine that may open no more connections, not the server. Raise the limit (`ulimit -n 65536`), or lower --users.',
    };
  }
  if (kind === 'EADDRNOTAVAIL') {
    return {
      code: 'OPEN_FILES',
      words:
        'this machine has no free ports left. Wait a minute for closed connections to go, or lower --users.',
    };
  }
  return unreachable('Is it running, and is the URL right?');
}

function meaningOfStatus(status: number, location: string | undefined): Meaning {
  if (status >= 300 && status < 400) {
    const to = location === undefined ? 'elsewhere' : `to ${location}`;
    return {
      code: 'NOT_A_REFRESH_ENDPOINT',
      words: `it redirects ${to}, and a POST is not sent on. Give bench the URL that it leads to: https in place of http, or with its last slash.`,
    };
  }
  if (status === 401) {
    return {
      code: 'TOKENS_REFUSED',
      words:
        'it does not accept these tokens. A run spends its tokens: were these given before? Else: is it the key that it verifies with, and do users of these ids exist there (--first-user-id)? Or give fresh tokens with --tokens.',
    };
  }
  if (status === 403) {
    return {
      code: 'TARGET_REFUSES',
      words: 'somebody in front of it wants more than a token. Give what is missing with --header.',
    };
  }
  if (status === 429) {
    return {
      code: 'TARGET_REFUSES',
      words:
        'a throttle counts these requests, or a token is in flight twice. Switch the throttle off for the run (DRF: throttle_classes of the view), or it is the throttle that is measured.',
    };
  }
  if (status >= 500) {
    return {
      code: 'TARGET_FAILS',
      words:
        'the target has an error of its own, or its database has. Look into its log before you measure it.',
    };
  }
  return {
    code: 'NOT_A_REFRESH_ENDPOINT',
    words: 'Is it the URL of a refresh endpoint?',
  };
}

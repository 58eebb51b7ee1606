import { RedisUrlError, shown } from './redis-url-text.js';
import type { RedisTls } from '../redis-address.js';

type Parameters = ReadonlyMap<string, string>;

/** What is done with each; all others are warned of. */
const TAKEN = new Set([
  'db', 'virtual_host', 'username', 'password', 'master_name', 'service_name',
  'sentinel_username', 'sentinel_password', 'sentinel_ssl',
]); // prettier-ignore

const OF_TLS = /^ssl_(?:cert_reqs|ca_certs|ca_path|ca_data|certfile|keyfile|password|check_hostname)$/;

/** Of redis-py, django-redis and Celery: they say how that client works, and nothing of the Redis. */
const WITHOUT_EFFECT =
  /^(?:client_(?:name|class)|protocol|decode_responses|encoding\w*|socket_(?:timeout|connect_timeout|keepalive\w*)|timeout|retry_on_\w+|max_connections|health_check_interval|key_prefix|version|(?:parser|pool|connection\w*)_class|serializer|compressor|ignore_exceptions|max_entries|cull_frequency|binary|global_keyprefix|visibility_timeout)$/;

/** Would be kept by redis-py and can't be here; to pass one over would connect less safely. */
const REFUSED: Readonly<Record<string, string>> = {
  ssl: 'write rediss:// instead of redis://',
  tls: 'write rediss:// instead of redis://',
  ssl_validate_ocsp: 'leave it out: certificates are verified without OCSP here',
  ssl_validate_ocsp_stapled: 'leave it out: certificates are verified without OCSP here',
};

/**
 * Sentences about parameters that have no effect.
 *
 * @throws RedisUrlError
 */
export function warningsOf(parameters: Parameters, tls: boolean): string[] {
  return [...parameters].flatMap(([name, value]) => {
    const instead = REFUSED[name];
    if (instead !== undefined && switched(value)) {
      throw new RedisUrlError(`its parameter ${name} can't be kept: ${instead}`);
    }
    if (TAKEN.has(name) || WITHOUT_EFFECT.test(name) || instead !== undefined) return [];
    if (!OF_TLS.test(name)) return [`its parameter ${shown(name)} is not known here, and has no effect`];
    return tls ? [] : [`its parameter ${name} has no effect without TLS: write rediss:// for that`];
  });
}

/**
 * What redis-py means by its ssl_* parameters. Two things are stricter: the name of a certificate is looked at unless
 * `ssl_check_hostname=false` is said (redis-py does so from version 6 on), and `ssl_ca_certs` is all that is trusted.
 *
 * @throws RedisUrlError
 */
export function tlsOf(parameters: Parameters): RedisTls {
  const get = (name: string): string | undefined => parameters.get(name);
  const verify = verifies(get('ssl_cert_reqs'));
  const certFile = get('ssl_certfile');
  if (certFile === undefined && get('ssl_keyfile') !== undefined) {
    throw new RedisUrlError('it has ssl_keyfile and no ssl_certfile: give both');
  }
  const checked = get('ssl_check_hostname');
  return {
    verify,
    checkName: verify && (checked === undefined || switched(checked)),
    caFile: get('ssl_ca_certs'),
    caDirectory: get('ssl_ca_path'),
    caText: get('ssl_ca_data'),
    extraRoots: [],
    certFile,
    // OpenSSL finds the key in the certificate's file where no other is named.
    keyFile: get('ssl_keyfile') ?? certFile,
    passphrase: get('ssl_password'),
  };
}

/** `optional` is a server's word: for a client it means what `required` does. */
function verifies(text = 'required'): boolean {
  const word = text.toLowerCase().replace(/^(?:ssl\.)?cert_/, '');
  if (word === 'none') return false;
  if (word === 'optional' || word === 'required') return true;
  throw new RedisUrlError('its ssl_cert_reqs is none that there is: give one of none, optional, required');
}

/** redis-py's to_bool. */
export function switched(text: string): boolean {
  return !/^(?:0|f|false|n|no)$/i.test(text);
}

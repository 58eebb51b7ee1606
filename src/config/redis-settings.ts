import { readdirSync } from 'node:fs';
import { resolve as absolutePath } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { FileReader } from './files.js';
import type { Resolved } from './resolve.js';
import type { SERVE_OPTIONS } from './serve-options.js';
import type { RedisTls } from '../redis-address.js';
import type { RedisSettings } from './parts.js';
import type { Source } from './source.js';

type ResolvedRedis = {
  readonly [Part in 'values' | 'given']: Pick<
    Resolved<typeof SERVE_OPTIONS>[Part],
    'redis-url' | 'redis-prefix'
  >;
};

/** Where Redis is, with what the URL's files and the environment add to it; and sentences on what is likely a mistake. */
export function redisSettings(
  { values, given }: ResolvedRedis,
  source: Source,
  files: FileReader,
  problems: string[],
): { readonly settings: RedisSettings | undefined; readonly warnings: readonly string[] } {
  const url = values['redis-url'];
  if (url === undefined) return { settings: undefined, warnings: [] };
  const name = given['redis-url'] ?? '--redis-url';
  const { warnings, tls, ...address } = url;
  return {
    settings: {
      ...address,
      tls: tls && tlsSettings(tls, { name, source, files, problems }),
      prefix: values['redis-prefix'],
    },
    warnings: warnings.map((warning) => `${name}: ${warning}.`),
  };
}

/** That the files are there, and fit each other, is known before anything is connected. */
function tlsSettings(
  tls: RedisTls,
  { name, source, files, problems }: { name: string; source: Source; files: FileReader; problems: string[] },
): RedisTls {
  const absolute = (path: string | undefined) => path && absolutePath(source.cwd, path);
  const ca = [tls.caFile && files.read(`${name} (ssl_ca_certs)`, tls.caFile), tls.caText].filter(given);
  const cert = tls.certFile && files.read(`${name} (ssl_certfile)`, tls.certFile);
  const key = tls.keyFile && files.readSecret(`${name} (ssl_keyfile)`, tls.keyFile);
  const caDirectory = absolute(tls.caDirectory);
  if (caDirectory !== undefined && !isDirectory(caDirectory)) {
    problems.push(`${name} (ssl_ca_path): ${caDirectory} is no directory that can be read.`);
  }
  const attempt = (use: () => unknown, sentence: string): void => {
    try {
      use();
    } catch {
      problems.push(`${name}: ${sentence}.`);
    }
  };
  for (const text of ca) {
    attempt(
      () => new X509Certificate(text),
      'its ssl_ca_certs is no certificate: give the PEM text of the authority (BEGIN CERTIFICATE)',
    );
  }
  if (cert !== undefined && key !== undefined) {
    attempt(
      () => createSecureContext({ cert, key, passphrase: tls.passphrase ?? '' }),
      'its ssl_certfile and ssl_keyfile are no pair. Check that the key is the key of the certificate, and that ' +
        'ssl_password is its passphrase',
    );
  }
  return {
    ...tls,
    caFile: absolute(tls.caFile),
    caDirectory,
    certFile: absolute(tls.certFile),
    keyFile: absolute(tls.keyFile),
    extraRoots: [source.env['NODE_EXTRA_CA_CERTS'], source.env['SSL_CERT_FILE']].filter(given),
  };
}

function given(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}

function isDirectory(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}

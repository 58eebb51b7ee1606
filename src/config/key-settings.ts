import type { FileReader } from './files.js';
import { variableOf } from './option.js';
import type { Resolved } from './resolve.js';
import type { SERVE_OPTIONS } from './serve-options.js';
import type { HttpSettings, KeySettings } from './parts.js';
import { pairFault } from './tls-pair.js';

type ResolvedServe = Resolved<typeof SERVE_OPTIONS>;

/** Of any command that takes the keys of `serve`. */
type ResolvedKeys = {
  readonly [Part in 'values' | 'given']: Pick<
    ResolvedServe[Part],
    'algorithm' | 'signing-key' | 'signing-key-file' | 'verifying-key-file' | 'chain-key' | 'database-url'
  >;
};

/** The keys' texts. Whether they are keys, and fit the algorithm, is for the jwt room to say. */
export function keySettings(resolved: ResolvedKeys, files: FileReader, problems: string[]): KeySettings {
  const { values, given } = resolved;
  const { algorithm } = values;
  const signingKey = readSigningKey(resolved, files, problems);
  if (
    signingKey === undefined &&
    given['signing-key'] === undefined &&
    given['signing-key-file'] === undefined
  ) {
    if (given['database-url'] !== undefined) {
      problems.push(
        `With ${given['database-url']} a signing key is required, the one that Django uses: set CARELINK_SIGNING_KEY, or name its file with --signing-key-file.`,
      );
    } else if (!algorithm.startsWith('HS')) {
      problems.push(
        `${algorithm} needs a private key: set CARELINK_SIGNING_KEY, or name its file with --signing-key-file. The embedded server makes keys for HS256, HS384 and HS512 only.`,
      );
    }
  }
  const from = given['verifying-key-file'] ?? '--verifying-key-file';
  const verifyingKeys = values['verifying-key-file']
    // Of other algorithms it is a public key.
    .map((path) => files.readKey(from, path, algorithm.startsWith('HS')))
    .filter((key) => key !== undefined);
  return { algorithm, signingKey, verifyingKeys, chainKeys: distinct(values['chain-key']) };
}

function readSigningKey(
  { values, given }: ResolvedKeys,
  files: FileReader,
  problems: string[],
): string | undefined {
  const [file, from] = [values['signing-key-file'], given['signing-key-file']];
  if (file === undefined || from === undefined) return values['signing-key'];
  // A flag beats the environment. Of two variables neither does, and the wrong key refuses every token.
  if (from === variableOf('signing-key-file') && given['signing-key'] !== undefined) {
    problems.push(`CARELINK_SIGNING_KEY and ${from} exclude each other. Unset one.`);
    return undefined;
  }
  return files.readKey(from, file, true);
}

const NO_TLS = { tls: undefined, tlsFiles: undefined };

/** Both files, or neither; and that OpenSSL takes them as a pair is known before a port is opened. */
export function tlsSettings(
  { values, given }: ResolvedServe,
  files: FileReader,
  problems: string[],
): Pick<HttpSettings, 'tls' | 'tlsFiles'> {
  const [certFile, keyFile] = [values['tls-cert'], values['tls-key']];
  if (certFile === undefined && keyFile === undefined) return NO_TLS;
  if (certFile === undefined || keyFile === undefined) {
    problems.push('--tls-cert and --tls-key come together: one of them is missing.');
    return NO_TLS;
  }
  const cert = files.read(given['tls-cert'] ?? '--tls-cert', certFile);
  const key = files.readSecret(given['tls-key'] ?? '--tls-key', keyFile);
  if (cert === undefined || key === undefined) return NO_TLS;
  const fault = pairFault({ cert, key });
  if (fault !== undefined) problems.push(fault);
  return {
    tls: { cert, key },
    tlsFiles: { cert: files.absolute(certFile), key: files.absolute(keyFile) },
  };
}

function distinct(keys: readonly Buffer[]): Buffer[] {
  return keys.filter((key, at) => !keys.slice(0, at).some((earlier) => earlier.equals(key)));
}

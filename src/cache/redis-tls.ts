import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, type ConnectionOptions, type SecureContext } from 'node:tls';
import { systemRoots } from '../system-roots.js';
import type { RedisTls } from '../redis-address.js';

/**
 * TLS for a client that keeps its options and copies them at each connect: the files are read then, so that a renewed
 * certificate needs no restart. Files that can't be read, or don't fit each other yet, leave what was read before.
 *
 * A context is made anew only where a file has changed: with what a system trusts that takes tens of milliseconds.
 */
export function redisTlsOptions(tls: RedisTls): ConnectionOptions {
  let known: { readonly of: string; readonly context: SecureContext } | undefined;
  return {
    rejectUnauthorized: tls.verify,
    ...(tls.checkName ? {} : { checkServerIdentity: () => undefined }),
    get secureContext() {
      try {
        const files = readFiles(tls);
        const of = JSON.stringify(files);
        if (known?.of !== of) known = { of, context: contextOf(tls, files) };
      } catch {
        // What is missing the server finds missing, and says so.
        known ??= { of: '', context: createSecureContext() };
      }
      return known.context;
    },
  };
}

interface Files {
  /** All that is trusted; empty: what the system trusts. */
  readonly ca: readonly string[];
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

function readFiles({ caFile, caDirectory, caText, certFile, keyFile }: RedisTls): Files {
  const text = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path, 'utf8'));
  return {
    ca: [text(caFile), caText, ...(caDirectory === undefined ? [] : certificatesIn(caDirectory))].filter(
      (one) => one !== undefined,
    ),
    cert: text(certFile),
    key: text(keyFile),
  };
}

function contextOf({ extraRoots, passphrase }: RedisTls, { ca, cert, key }: Files): SecureContext {
  return createSecureContext({
    ca: ca.length > 0 ? [...ca] : [...systemRoots(), ...extraRoots.map(readable)],
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }),
  });
}

/** OpenSSL finds them by the hashes of their names; what is no certificate it passes over, too. */
function certificatesIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => readable(join(directory, name)))
    .filter((text) => text.includes('-----BEGIN CERTIFICATE-----'));
}

function readable(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

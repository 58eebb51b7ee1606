import { existsSync, readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/** Bundles of the authorities that a system trusts: Debian and Alpine, Red Hat, BSD and macOS. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
];

/** The authorities that Node knows of, and those of the system: Python and libpq take the latter. */
export function systemRoots(): (string | Buffer)[] {
  const bundle = SYSTEM_BUNDLES.find((path) => existsSync(path));
  return bundle === undefined ? [...rootCertificates] : [...rootCertificates, readFileSync(bundle)];
}

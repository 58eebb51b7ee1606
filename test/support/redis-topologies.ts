import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port.js';
import { startRedis } from './redis.js';

const run = promisify(execFile);

export interface TlsRedis {
  readonly url: string;
  /** The file of the authority that signed its certificate. */
  readonly ca: string;
  stop(): Promise<void>;
}

/** A Redis that speaks nothing but TLS, with a certificate for 127.0.0.1 of an authority made for it. */
export async function startTlsRedis(): Promise<TlsRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-tls-'));
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => run('openssl', args);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await openssl(
    'req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=test authority', '-days', '2',
  ); // prettier-ignore
  await openssl('req', ...key, '-keyout', file('redis.key'), '-out', file('redis.csr'), '-subj', '/CN=redis');
  writeFileSync(file('san'), 'subjectAltName=IP:127.0.0.1\n');
  await openssl(
    'x509', '-req', '-in', file('redis.csr'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial',
    '-out', file('redis.pem'), '-days', '2', '-extfile', file('san'),
  ); // prettier-ignore
  const tlsPort = await freePort();
  const server = await startRedis(
    '--tls-port', String(tlsPort), '--tls-cert-file', file('redis.pem'), '--tls-key-file', file('redis.key'),
    '--tls-ca-cert-file', file('ca.pem'), '--tls-auth-clients', 'no',
  ); // prettier-ignore
  return {
    url: `rediss://127.0.0.1:${tlsPort}`,
    ca: file('ca.pem'),
    stop: async () => {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

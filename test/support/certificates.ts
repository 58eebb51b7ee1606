import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from 'node:tls';

const run = promisify(execFile);

export interface Certificate {
  readonly name: string;
  readonly cert: string;
  readonly key: string;
}

/** A pair for localhost, signed by itself. Node can't make one. */
export async function makeCertificate(directory: string, name: string, days = 365): Promise<Certificate> {
  const [cert, key] = [join(directory, `${name}.made.crt`), join(directory, `${name}.made.key`)];
  await run('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert,
    '-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost', '-days', String(days),
  ]); // prettier-ignore
  return { name, cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
}

/** The name of the certificate that a new connection is shown; it must be one of those. */
export function shownBy(serverUrl: string, trusted: readonly Certificate[]): Promise<string> {
  const { port } = new URL(serverUrl);
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        port: Number(port),
        host: '127.0.0.1',
        servername: 'localhost',
        ca: trusted.map(({ cert }) => cert),
      },
      () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      },
    );
    socket.on('error', reject);
  });
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithUs } from './end-with-us.js';
import { freePort } from './free-port.js';
import { services } from './services.js';

export interface HaProxy {
  readonly url: string;
  stop(): Promise<void>;
}

/** What HAProxy needs to know that a server is going: a check, and a bit. */
export const NOTICED_MS = 1_000;

export interface HaProxyOptions {
  /** Requests at each server at a time; the others wait in the proxy, for so long at most. */
  readonly queue?: { readonly maxConnections: number; readonly timeoutMs: number };
  /** Appends to X-Forwarded-For whom it heard, and gives each request an id. */
  readonly forwards?: boolean;
}

const FORWARDS = `  option forwardfor
  unique-id-format %[uuid()]
  unique-id-header X-Request-ID
`;

/**
 * An HAProxy of the test's own before servers, which it asks for /readyz at their admin ports five times a second. It
 * repeats nothing: what a server loses, the client loses.
 */
export async function startHaProxy(
  servers: readonly { readonly port: number; readonly adminPort: number }[],
  { queue, forwards = false }: HaProxyOptions = {},
): Promise<HaProxy> {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-haproxy-'));
  const port = await freePort();
  const file = join(directory, 'haproxy.cfg');
  const lines = servers.map(
    ({ port: to, adminPort }, n) => `  server s${n} 127.0.0.1:${to} check port ${adminPort}`,
  );
  writeFileSync(
    file,
    `global
  maxconn 9000
defaults
  mode http
  retries 0
  timeout connect 2s
  timeout check 5s
  timeout client 30s
  timeout server 30s
frontend tokens
  bind 127.0.0.1:${port}
${forwards ? FORWARDS : ''}  default_backend servers
backend servers
  option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host 127.0.0.1
  http-check expect status 200
  default-server inter 200ms fall 1 rise 1${queue === undefined ? '' : ` maxconn ${queue.maxConnections}`}
${queue === undefined ? '' : `  timeout queue ${queue.timeoutMs}ms\n`}${lines.join('\n')}
`,
  );
  const proxy = endWithUs(
    spawn(services().haproxy!, ['-db', '-q', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] }),
  );
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      const exited = once(proxy, 'exit');
      proxy.kill('SIGTERM');
      await exited;
      rmSync(directory, { recursive: true });
    },
  };
}

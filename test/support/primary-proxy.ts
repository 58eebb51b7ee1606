import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { endWithUs } from './end-with-us.js';
import { freePort } from './free-port.js';
import { services } from './services.js';

export interface PrimaryProxy {
  readonly port: number;
  stop(): Promise<void>;
}

/** Only bounds asking a server that hangs. */
const ASK_MS = 1_000;

/**
 * An HAProxy before PostgreSQL servers, which leads to the one that is the primary. It asks over HTTP, as it asks
 * Patroni (https://patroni.readthedocs.io/en/latest/rest_api.html), and five times a second.
 *
 * @param options.closesSessions whether it ends those at a server that is no primary any more, as Patroni's manual has it
 */
export async function startPrimaryProxy(
  ports: readonly number[],
  options: { readonly closesSessions: boolean },
): Promise<PrimaryProxy> {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-haproxy-'));
  const agents = await Promise.all(ports.map(startAgent));
  const port = await freePort();
  const file = join(directory, 'haproxy.cfg');
  const more = options.closesSessions ? ' on-marked-down shutdown-sessions' : '';
  const servers = agents.map(
    (agent, n) => `  server s${n} 127.0.0.1:${ports[n]} check port ${portOf(agent)}${more}`,
  );
  writeFileSync(
    file,
    `global
  maxconn 1000
defaults
  mode tcp
  retries 0
  timeout connect 1s
  timeout check 2s
  timeout client 10m
  timeout server 10m
listen primary
  bind 127.0.0.1:${port}
  option httpchk GET /primary
  http-check expect status 200
  default-server inter 200ms fall 1 rise 1
${servers.join('\n')}
`,
  );
  const proxy = endWithUs(
    spawn(services().haproxy!, ['-db', '-q', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] }),
  );
  while (!(await listens(port))) await sleep(50);
  return {
    port,
    async stop() {
      const exited = once(proxy, 'exit');
      proxy.kill('SIGTERM');
      await exited;
      for (const agent of agents) {
        agent.closeAllConnections();
        agent.close();
      }
      rmSync(directory, { recursive: true });
    },
  };
}

/** Says 200 where the server at that port is a primary that takes writes. */
async function startAgent(ofPort: number): Promise<Server> {
  const agent = createServer((_request, response) => {
    void isPrimary(ofPort).then((primary) => response.writeHead(primary ? 200 : 503).end());
  }).listen(0, '127.0.0.1');
  await once(agent, 'listening');
  return agent;
}

async function isPrimary(port: number): Promise<boolean> {
  const connectionString = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: ASK_MS, query_timeout: ASK_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ writable: boolean }>(
      `SELECT current_setting('transaction_read_only') = 'off' AS writable`,
    );
    return rows[0]?.writable === true;
  } catch {
    return false;
  } finally {
    void client.end().catch(() => undefined);
  }
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithUs } from './end-with-us.js';
import { freePort } from './free-port.js';
import { until } from './redis.js';
import { services } from './services.js';

export interface DeployedProxy {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** What stands behind it: a port of loopback or the path of a socket, and Django's and the admin port. */
export interface Behind {
  readonly carelink: number | string;
  readonly django: number;
  readonly admin: number;
}

export type SetUp = 'same-origin' | 'other-origin' | 'unix-socket';

/** nginx with a file of deploy/nginx as it is, but for its ports and paths. */
export async function startDeployedNginx(setUp: SetUp, behind: Behind): Promise<DeployedProxy> {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-nginx-'));
  const port = await freePort();
  const site = filled(`nginx/${setUp}.conf`, [
    ['listen 80;', `listen 127.0.0.1:${port};`],
    ...(typeof behind.carelink === 'string'
      ? ([['server unix:/run/carelink/tokens.sock', `server unix:${behind.carelink}`]] as const)
      : ([['127.0.0.1:8000;', `127.0.0.1:${behind.carelink};`]] as const)),
    ['127.0.0.1:8001;', `127.0.0.1:${behind.django};`],
  ]);
  writeFileSync(join(directory, 'site.conf'), site);
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const main = join(directory, 'nginx.conf');
  // It would give its directories to nobody, whom a namespace without other users doesn't know.
  const asRoot = process.getuid?.() === 0 ? 'user root;\n' : '';
  // One process, so that none is left when it is killed.
  writeFileSync(
    main,
    `${asRoot}daemon off;
master_process off;
pid ${directory}/pid;
events { worker_connections 2048; }
http {
  access_log off;
  ${kinds.map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ')}
  include ${directory}/site.conf;
}
`,
  );
  const nginx = endWithUs(
    spawn(services().nginx!, ['-p', directory, '-c', main, '-e', join(directory, 'error.log')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  );
  return running(nginx, port, directory);
}

/** HAProxy with a file of deploy/haproxy as it is, but for its ports and paths. */
export async function startDeployedHaProxy(setUp: SetUp, behind: Behind): Promise<DeployedProxy> {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-haproxy-'));
  const port = await freePort();
  const file = join(directory, 'haproxy.cfg');
  writeFileSync(
    file,
    filled(`haproxy/${setUp}.cfg`, [
      ['bind :80', `bind 127.0.0.1:${port}`],
      ...(typeof behind.carelink === 'string'
        ? ([['carelink1 unix@/run/carelink/tokens.sock', `carelink1 unix@${behind.carelink}`]] as const)
        : ([['carelink1 127.0.0.1:8000', `carelink1 127.0.0.1:${behind.carelink}`]] as const)),
      ['port 9464', `port ${behind.admin}`],
      ['django1 127.0.0.1:8001', `django1 127.0.0.1:${behind.django}`],
    ]),
  );
  const haproxy = endWithUs(
    spawn(services().haproxy!, ['-db', '-q', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] }),
  );
  return running(haproxy, port, directory);
}

/** A file of deploy/ with other ports; it has to have those that it is documented with. */
function filled(path: string, replaced: readonly (readonly [from: string, to: string])[]): string {
  let text = readFileSync(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');
  for (const [from, to] of replaced) {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`${path} has "${from}" ${parts.length - 1} times, not once`);
    text = parts.join(to);
  }
  return text;
}

async function running(child: ChildProcess, port: number, directory: string): Promise<DeployedProxy> {
  const exited = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  // A path of ours, which HAProxy answers with 503 until it has found its server well.
  await until(() =>
    fetch(`${url}/account/token/refresh/`).then(
      ({ status }) => status === 405 || child.exitCode !== null,
      () => child.exitCode !== null,
    ),
  );
  if (child.exitCode !== null) throw new Error(`the proxy ended with ${child.exitCode}`);
  return {
    url,
    port,
    async stop() {
      child.kill('SIGTERM');
      await exited;
      rmSync(directory, { recursive: true });
    },
  };
}

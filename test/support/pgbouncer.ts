import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endWithUs } from './end-with-us.js';
import { freePort } from './free-port.js';
import { query } from './postgres.js';
import { services } from './services.js';

export interface Bouncer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** A PgBouncer of the test's own before the database, with these settings. */
export async function startBouncer(databaseUrl: string, settings: Record<string, string>): Promise<Bouncer> {
  const target = new URL(databaseUrl);
  const directory = mkdtempSync(join(tmpdir(), 'carelink-pgbouncer-'));
  chmodSync(directory, 0o755);
  const port = await freePort();
  const ini = join(directory, 'pgbouncer.ini');
  const lines = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    ...settings,
  };
  const password = target.password === '' ? '' : ` password=${decodeURIComponent(target.password)}`;
  writeFileSync(
    ini,
    `[databases]
* = host=${target.hostname} port=${target.port || '5432'} user=${target.username}${password}
[pgbouncer]
${Object.entries(lines)
  .map(([name, value]) => `${name} = ${value}`)
  .join('\n')}
`,
  );
  // Like PostgreSQL it refuses to be run by root, and steps down to the user it is told.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const bouncer = endWithUs(
    spawn(services().pgbouncer!, [...user, ini], { stdio: ['ignore', 'ignore', 'pipe'] }),
  );
  let said = '';
  bouncer.stderr.on('data', (data: Buffer) => (said += data.toString()));
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  await answers(bouncer, url.href, () => said);
  return {
    url: url.href,
    pid: bouncer.pid!,
    async stop() {
      const exited = once(bouncer, 'exit');
      bouncer.kill('SIGQUIT');
      await exited;
      rmSync(directory, { recursive: true });
    },
  };
}

async function answers(bouncer: ChildProcess, url: string, said: () => string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (bouncer.exitCode !== null) break;
    if (
      await query(url, 'SELECT 1').then(
        () => true,
        () => false,
      )
    )
      return;
    await sleep(25);
  }
  throw new Error(`PgBouncer does not answer: ${said().slice(-500)}`);
}

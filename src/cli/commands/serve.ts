import cluster from 'node:cluster';
import type { Serving } from '../../compose/serve.js';
import { SERVE_OPTIONS } from '../../config/serve-options.js';
import { serveSettings } from '../../config/serve-settings.js';
import type { ServeSettings } from '../../config/settings.js';
import type { Log } from '../../observe/log.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';
import { stopSignal } from '../signals.js';

export const serveCommand: CommandDescriptor<ServeSettings> = {
  name: 'serve',
  summary: 'run the refresh server',
  examples: [
    'carelink-tokens serve',
    'DATABASE_URL=postgres://django@db/app CARELINK_SIGNING_KEY=... carelink-tokens serve --port 8000',
    'carelink-tokens serve --database-url postgres://django@db/app --redis-url redis://cache --workers 4',
  ],
  table: SERVE_OPTIONS,
  settings: serveSettings,
  run: serve,
};

/** Runs until SIGTERM or SIGINT, or until something the server can't do without is gone for good. */
async function serve(settings: ServeSettings, output: Output): Promise<ExitCode> {
  // Before anything is started: a signal that comes while it starts stops it in order, too.
  const signal = stopSignal();
  const { createLog } = await import('../../observe/log.js');
  const log = createLog({ level: settings.logLevel, destination: process.stderr });
  if (cluster.isWorker) return work(settings, log, signal);
  if (settings.database.kind === 'embedded') output.note('starting the embedded PostgreSQL ...');
  const serving =
    settings.workers > 1
      ? await (await import('../../compose/primary.js')).startPrimary(settings, log)
      : await (await import('../../compose/serve.js')).startServing(settings, log);
  announce(settings, serving, output);
  await until(serving, signal);
  return 0;
}

/** One of `--workers`: the primary speaks for it, and tells it when to stop. */
async function work(settings: ServeSettings, log: Log, signal: Promise<void>): Promise<ExitCode> {
  const { startWorker } = await import('../../compose/worker.js');
  const serving = await startWorker(settings, log, process);
  await until(serving, Promise.race([signal, serving.asked]));
  return 0;
}

async function until(serving: Pick<Serving, 'stop' | 'failed'>, signal: Promise<void>): Promise<void> {
  try {
    await Promise.race([signal, serving.failed]);
  } catch (error) {
    // What broke is what to tell, whatever becomes of the rest.
    await serving.stop().catch(() => undefined);
    throw error;
  }
  await serving.stop();
}

function announce(settings: ServeSettings, serving: Omit<Serving, 'inside'>, output: Output): void {
  const { publicUrl, adminUrl, embedded } = serving;
  const { basePath } = settings.http;
  // A token that works: for who started the server, on its terminal. The log never has it.
  output.document({
    event: 'listening',
    url: publicUrl,
    admin_url: adminUrl,
    base_path: basePath,
    ...(embedded === undefined
      ? {}
      : { sample_refresh: embedded.sampleRefreshToken, data_dir: embedded.dataDir }),
  });
  const lines = [
    output.strong('carelink-tokens is listening'),
    `  tokens  ${publicUrl}${basePath}/`,
    `  admin   ${adminUrl}/dashboard  (also healthz, readyz, metrics, kpis)`,
  ];
  if (settings.http.demo)
    lines.push(`  demo    ${publicUrl}${basePath}/demo/  (anybody on this machine may log in)`);
  if (embedded !== undefined) {
    lines.push(
      `  data    ${embedded.dataDir}  (embedded PostgreSQL)`,
      '',
      ...sampleLines(`${publicUrl}${basePath}/refresh/`, embedded.sampleRefreshToken, output),
      'Ctrl-C stops it.',
    );
  }
  output.say(...lines);
}

function sampleLines(url: string, token: string | undefined, output: Output): string[] {
  if (token === undefined) return [];
  return [
    output.strong('Refresh a sample token (it expires in 15 minutes):'),
    '',
    `  ${curlLine(url, token)}`,
    '',
  ];
}

/** Ready to paste in any shell: neither a URL nor a token has a single quote in it. */
function curlLine(url: string, token: string): string {
  return `curl -X POST '${url}' -H 'Content-Type: application/json' -d '{"refresh":"${token}"}'`;
}

import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceManager } from '../../compose/service-manager.js';
import type { Serving } from '../../compose/serving.js';
import { CommandError } from '../../config/errors.js';
import { SERVE_OPTIONS } from '../../config/serve-options.js';
import { serveSettings } from '../../config/serve-settings.js';
import { serviceManagerOptions } from '../../config/service-manager.js';
import type { ServeSettings } from '../../config/settings.js';
import { processSource } from '../../config/source.js';
import { describeError } from '../../observe/errors.js';
import type { Log, LogFields } from '../../observe/log.js';
import type { Orders } from '../../compose/worker.js';
import type { CommandDescriptor, Launch } from '../descriptor.js';
import { failureOf, type ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';
import { HangUps, stopSignal, type StopSignal } from '../signals.js';

export const serveCommand: CommandDescriptor<ServeSettings> = {
  name: 'serve',
  group: 'Run it',
  summary: 'run the refresh server',
  examples: [
    'carelink-tokens serve',
    'DATABASE_URL=postgres://django@db/app CARELINK_SIGNING_KEY=... carelink-tokens serve --port 8000',
    'carelink-tokens serve --database-url postgres://django@db/app --redis-url redis://cache --workers 4',
    'carelink-tokens serve --env-file carelink.env --shadow-of http://127.0.0.1:8001',
  ],
  table: SERVE_OPTIONS,
  first: ['database-url', 'signing-key-file', 'redis-url', 'port', 'workers'],
  settings: serveSettings,
  run: serve,
};

type Running = Pick<Serving, 'stop' | 'failed'>;

/** Runs until SIGTERM or SIGINT, or until something the server can't do without is gone for good. */
async function serve(
  settings: ServeSettings,
  output: Output,
  { read, files, orders }: Launch<ServeSettings>,
): Promise<ExitCode> {
  // Before anything is started: a signal that comes while it starts stops it, too.
  const signalled = stopSignal();
  const hangUps = new HangUps();
  const { createLog, readableLines } = await import('../../observe/log.js');
  const forPeople = process.stderr.isTTY && !settings.json;
  const destination = forPeople ? readableLines(process.stderr) : process.stderr;
  const log = createLog({ level: settings.logLevel, destination });
  output.logTo(log);
  if (orders !== undefined) {
    hangUps.answer(() => log.info('signal_ignored', { kind: 'SIGHUP', cause: HANG_UP_OF_WORKER }));
    return work(settings, orders, log, signalled);
  }
  const manager = await serviceManager(log);
  void signalled.then(() => manager?.stopping());
  if (settings.database.kind === 'embedded') output.note('starting the embedded PostgreSQL ...');
  const start = async (signal: AbortSignal): Promise<Omit<Serving, 'inside'>> => {
    if (settings.workers === 1) {
      return (await import('../../compose/start-serving.js')).startServing(settings, log, { signal });
    }
    return (await import('../../compose/primary.js')).startPrimary(settings, files, log, signal);
  };
  const serving = await startUnless(signalled, start, log);
  manager?.ready(`serving at ${serving.publicUrl}`);
  announce(settings, serving, output);
  const { Reloads } = await import('../../compose/reloads.js');
  const reloads = new Reloads({ settings, read, server: serving.renewing, wallClockMs: Date.now, log });
  hangUps.answer(() => void (manager === undefined ? reloads.all() : manager.reload(() => reloads.all())));
  const unwatch = reloads.watch();
  await until(serving, signalled, log).finally(unwatch);
  const { summary } = serving;
  if (summary !== undefined) {
    output.document({ event: 'shadow_report', ...summary.document() });
    output.say('', summary.text().trimEnd());
  }
  return 0;
}

/** What tells systemd, where it started this; else nothing of it is loaded. */
async function serviceManager(log: Log): Promise<ServiceManager | undefined> {
  const wanted = serviceManagerOptions(processSource().env, process.pid);
  if (wanted === undefined) return undefined;
  const { ServiceManager } = await import('../../compose/service-manager.js');
  return new ServiceManager(wanted, { log, monotonicUs: () => process.hrtime.bigint() / 1_000n });
}

const HANG_UP_OF_WORKER =
  'the first process reads keys and certificates again, and hands them to its workers: send it SIGHUP';

/** One of `--workers`: the primary speaks for it, and tells it when to stop. */
async function work(
  settings: ServeSettings,
  orders: Orders,
  log: Log,
  signalled: Promise<StopSignal>,
): Promise<ExitCode> {
  const { startWorker, tellNotStarted } = await import('../../compose/worker.js');
  // Whoever stops a service signals each of its processes. The primary's order comes after its --drain-delay, and one
  // that is signalled by itself keeps to that, too.
  const late = signalled.then((signal) => sleep(settings.drainDelayMs, signal));
  try {
    const serving = await startUnless(
      Promise.race([signalled, orders.asked]),
      (signal) => startWorker(settings, log, process, orders, signal),
      log,
    );
    void signalled.then(() => serving.startDraining());
    await until(serving, Promise.race([late, orders.asked]), log);
    return 0;
  } catch (error) {
    const failure = failureOf(error);
    await tellNotStarted(process, failure);
    return failure.exitCode;
  }
}

/** What a start that was called off gets to tidy up; what hangs longer is left to the end of the process. */
const CALLED_OFF_MS = 1_000;

/** Starts; where it is asked to stop before that it gives up, and the process ends at once. */
async function startUnless<T extends Running>(
  stop: Promise<string>,
  start: (signal: AbortSignal) => Promise<T>,
  log: Log,
): Promise<T> {
  const calledOff = new AbortController();
  const starting = start(calledOff.signal);
  const reason = stop.then((kind) => ({ kind }));
  let first;
  try {
    first = await Promise.race([starting, reason]);
  } catch (error) {
    // What it means is told as with every command; of a worker by its primary.
    if (cluster.isPrimary) log.error('start_failed', whatFailed(error));
    throw error;
  }
  if ('stop' in first) return first;
  log.info('stopping', { kind: first.kind, cause: 'asked to stop before it listened' });
  calledOff.abort();
  const tidied = starting.then(
    (serving) => serving.stop(),
    // It was called off, and says so.
    () => undefined,
  );
  await Promise.race([tidied, sleep(CALLED_OFF_MS, undefined, { ref: false })]);
  log.info('stopped', { kind: first.kind });
  // What is still open (a connect on its way) is not waited for.
  process.exit(0);
}

async function until(serving: Running, stop: Promise<string>, log: Log): Promise<void> {
  const startedMs = performance.now();
  const servedMs = (): number => Math.round(performance.now() - startedMs);
  let kind;
  try {
    kind = await Promise.race([stop, serving.failed]);
  } catch (error) {
    const cause = error instanceof CommandError ? { cause: error.message } : {};
    log.error('stopping', { kind: 'failure', duration_ms: servedMs(), ...whatFailed(error), ...cause });
    // What broke is what to tell, whatever becomes of the rest.
    await serving.stop().catch(() => undefined);
    log.error('stopped', { kind: 'failure' });
    throw error;
  }
  log.info('stopping', { kind, cause: 'asked to stop', duration_ms: servedMs() });
  await serving.stop();
  log.info('stopped', { kind });
}

function whatFailed(error: unknown): LogFields {
  const { code } = failureOf(error);
  return error instanceof CommandError ? { error_code: code } : { ...describeError(error), error_code: code };
}

function announce(settings: ServeSettings, serving: Omit<Serving, 'inside'>, output: Output): void {
  const { publicUrl, adminUrl, embedded } = serving;
  const { basePath, socket } = settings.http;
  // At a socket there is no host; nginx and curl send one all the same.
  const base = socket === undefined ? publicUrl : 'http://localhost';
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
    `  tokens  ${base}${basePath}/${socket === undefined ? '' : `  (at the socket ${socket})`}`,
    `  admin   ${adminUrl}/dashboard  (also healthz, readyz, metrics, kpis)`,
  ];
  if (settings.shadowOf !== undefined)
    lines.push(`  shadow  of ${settings.shadowOf}, which answers; the report: ${adminUrl}/shadow`);
  if (settings.http.demo)
    lines.push(`  demo    ${publicUrl}${basePath}/demo/  (anybody on this machine may log in)`);
  if (embedded !== undefined) {
    lines.push(
      `  data    ${embedded.dataDir}  (embedded PostgreSQL)`,
      '',
      ...sampleLines(`${base}${settings.http.paths.refresh}/`, socket, embedded.sampleRefreshToken, output),
      'Ctrl-C stops it.',
    );
  }
  output.say(...lines);
}

function sampleLines(
  url: string,
  socket: string | undefined,
  token: string | undefined,
  output: Output,
): string[] {
  if (token === undefined) return [];
  return [
    output.strong('Refresh a sample token (it expires in 15 minutes):'),
    '',
    `  ${curlLine(url, socket, token)}`,
    '',
  ];
}

/** Ready to paste in any shell: neither a URL nor a token has a single quote in it. A path may have one. */
function curlLine(url: string, socket: string | undefined, token: string): string {
  const by = socket === undefined ? '' : `--unix-socket '${socket.replaceAll("'", "'\\''")}' `;
  return `curl ${by}-X POST '${url}' -H 'Content-Type: application/json' -d '{"refresh":"${token}"}'`;
}

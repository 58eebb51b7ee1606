import { writeFile } from 'node:fs/promises';
import type { BenchReport, Progress } from '../../bench/index.js';
import { BENCH_OPTIONS } from '../../config/bench-options.js';
import { benchSettings } from '../../config/bench-settings.js';
import { CommandError } from '../../config/errors.js';
import type { BenchSettings } from '../../config/settings.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';
import { stopSignal } from '../signals.js';
import { leftBehindLines } from './bench-left-behind.js';
import { snakeCased } from '../snake-case.js';

export const benchCommand: CommandDescriptor<BenchSettings> = {
  name: 'bench',
  group: 'Find faults',
  summary: 'load a refresh endpoint with rotating chains, and say whether the KPIs hold',
  words: [
    { syntax: '[url]', help: 'of a server or its refresh endpoint (default: a server of its own, embedded)' },
  ],
  examples: [
    'carelink-tokens bench',
    'carelink-tokens bench --mode open --rate 500 --html report.html',
    'CARELINK_SIGNING_KEY=... carelink-tokens bench http://127.0.0.1:8000 --admin-url http://127.0.0.1:9464',
    'CARELINK_SIGNING_KEY=... carelink-tokens bench http://127.0.0.1:8000 --vs http://127.0.0.1:9000/api/token',
    'carelink-tokens bench https://app.example/api/token/refresh/ --tokens tokens.txt --kpis refresh_duration --max-p99 80ms',
    'carelink-tokens bench --find-capacity --max-p99 50ms --duration 5s',
    'carelink-tokens bench --baseline five-runs.json --max-regression 10 --junit bench.xml --summary github',
  ],
  table: BENCH_OPTIONS,
  first: ['users', 'duration', 'max-p99', 'vs', 'html'],
  settings: benchSettings,
  run: bench,
};

const EXIT_CODE_OF = { pass: 0, fail: 1, inconclusive: 3 } as const;

async function bench(settings: BenchSettings, output: Output): Promise<ExitCode> {
  const [
    { runBenchCommand },
    { htmlReport, junitOfError, junitReport, markdownReport },
    { progressText, reportLines },
  ] = await Promise.all([
    import('../../compose/bench.js'),
    import('../../bench/index.js'),
    import('./bench-text.js'),
  ]);
  // A run of an hour must not end with nowhere to write it to.
  const { out, hgrm: hgrmFile, html, junit } = settings.files;
  for (const file of [...Object.values(settings.files), settings.summaryFile]) await write(file, '', 'a');
  if (settings.insecure)
    output.warn(
      '--insecure: certificates are not verified, so what is measured may be anybody, and is given real tokens.',
    );
  const interrupted = new AbortController();
  void stopSignal().then(() => interrupted.abort());
  const live = await liveLine(settings);
  try {
    const { report, hgrm } = await runBenchCommand(settings, {
      signal: interrupted.signal,
      onStarting: () => live.show('starting a server of its own'),
      onProgress: (progress) => live.show(progressText(progress), progress.phase),
    });
    live.stop();
    await write(out, `${JSON.stringify(snakeCased(report))}\n`);
    await write(hgrmFile, hgrm);
    if (html !== undefined) await write(html, htmlReport(report));
    if (junit !== undefined) await write(junit, junitReport(report));
    if (settings.summaryFile !== undefined) await write(settings.summaryFile, markdownReport(report), 'a');
    output.document(snakeCased(report));
    output.say(...reportLines(report, (text) => output.strong(text)), ...leftBehindLines(report, settings));
    if (settings.quiet && !settings.json) output.verdict(`${report.verdict}: ${report.because}`);
    return interrupted.signal.aborted ? 130 : EXIT_CODE_OF[report.verdict satisfies BenchReport['verdict']];
  } catch (error) {
    // A CI system that finds no verdict would say that there was none to give.
    if (junit !== undefined && error instanceof CommandError)
      await write(junit, junitOfError(error.code, error.message, new Date().toISOString()));
    throw error;
  } finally {
    live.stop();
  }
}

async function write(file: string | undefined, text: string, flag: 'w' | 'a' = 'w'): Promise<void> {
  if (file === undefined) return;
  try {
    await writeFile(file, text, { flag });
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    throw new CommandError(
      'FILE_NOT_WRITTEN',
      1,
      `${file} could not be written (${code}). Is its directory there?`,
      { cause },
    );
  }
}

interface LiveLine {
  show(text: string, phase?: Progress['phase']): void;
  stop(): void;
}

/** One line that moves on a terminal; in a pipe one line a phase; nothing with --json or --quiet. */
async function liveLine({ json, quiet }: BenchSettings): Promise<LiveLine> {
  if (json || quiet) return { show: () => undefined, stop: () => undefined };
  if (!process.stderr.isTTY) {
    let told: string | undefined;
    return {
      show(text, phase) {
        if ((phase ?? text) === told) return;
        told = phase ?? text;
        process.stderr.write(`${told} ...\n`);
      },
      stop: () => undefined,
    };
  }
  const { default: ora } = await import('ora');
  // stdin stays as it is: a signal must reach us, and a paste must not be swallowed.
  const spinner = ora({ stream: process.stderr, discardStdin: false }).start();
  return { show: (text) => void (spinner.text = text), stop: () => void spinner.stop() };
}

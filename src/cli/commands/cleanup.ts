import { setTimeout as sleep } from 'node:timers/promises';
import type { CleanupEvent, CleanupSession, Summary, surveyCleanup } from '../../cleanup/index.js';
import { CLEANUP_OPTIONS } from '../../config/cleanup-options.js';
import { cleanupSettings } from '../../config/cleanup-settings.js';
import { CommandError } from '../../config/errors.js';
import type { CleanupSettings } from '../../config/settings.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';
import { snakeCased } from '../snake-case.js';
import { stopSignal } from '../signals.js';
import { dryRunLines, eventLine, progressLine, summaryLines } from './cleanup-text.js';
import { LiveLine } from './migrate-live-line.js';

export const cleanupCommand: CommandDescriptor<CleanupSettings> = {
  name: 'cleanup',
  group: 'Run it',
  summary: 'remove expired tokens, in batches that live traffic does not feel',
  examples: [
    'DATABASE_URL=postgres://django@db/app carelink-tokens cleanup --dry-run',
    'DATABASE_URL=postgres://django@db/app carelink-tokens cleanup --retention 30d',
    'carelink-tokens cleanup --database-url postgres://django@db/app --every 1h --json',
  ],
  table: CLEANUP_OPTIONS,
  first: ['database-url', 'dry-run', 'retention', 'every', 'max-duration'],
  settings: cleanupSettings,
  run: cleanup,
};

async function cleanup(settings: CleanupSettings, output: Output): Promise<ExitCode> {
  const interrupted = new AbortController();
  void stopSignal().then(() => interrupted.abort());
  const [{ checkNothingToCleanUp, onCleanupDatabase }, { cleanUp, surveyCleanup }] = await Promise.all([
    import('../../compose/cleanup.js'),
    import('../../cleanup/index.js'),
  ]);
  const { signal } = interrupted;
  if (!settings.tokenTables) {
    await checkNothingToCleanUp(settings);
    output.document({ event: 'done', deleted: 0, ended: 'done' });
    output.say(
      'There are no token tables, so there is nothing to clean up.',
      'Cleaned up 0 expired token records',
    );
    return 0;
  }
  if (settings.dryRun) {
    return dryRun(settings, output, signal, surveyCleanup);
  }
  const round = async (session: CleanupSession): Promise<ExitCode> => {
    const teller = new Teller(output, settings);
    try {
      const onEvent = (event: CleanupEvent): void => teller.tell(event);
      const summary = await cleanUp(session, { ...settings.cleanup, signal, onEvent });
      teller.end();
      output.document(snakeCased({ event: 'done', ...summary }));
      output.say(...summaryLines(summary));
      return exitCodeOf(summary);
    } finally {
      teller.end();
    }
  };
  if (settings.everyMs === undefined) return onCleanupDatabase(settings, round);
  return onSchedule(settings, settings.everyMs, output, signal, () => onCleanupDatabase(settings, round));
}

/** A survey reads the whole table, which may take minutes: who interrupts it needs nothing of it. */
async function dryRun(
  settings: CleanupSettings,
  output: Output,
  signal: AbortSignal,
  survey: typeof surveyCleanup,
): Promise<ExitCode> {
  const { onCleanupDatabase } = await import('../../compose/cleanup.js');
  try {
    const told = await onCleanupDatabase(settings, (session) => {
      signal.addEventListener('abort', () => void session.close(), { once: true });
      return survey(session, settings.cleanup);
    });
    output.document(snakeCased({ event: 'dry_run', ...told }));
    output.say(...dryRunLines(told));
    return 0;
  } catch (error) {
    if (!signal.aborted) throw error;
    output.document({ event: 'interrupted' });
    output.say('Interrupted. Nothing was changed.');
    return 130;
  }
}

function exitCodeOf({ ended, backlogRows }: Summary): ExitCode {
  if (ended === 'interrupted') return 130;
  return ended === 'done' || backlogRows === 0 ? 0 : 3;
}

/** Again and again; what fails once may go well the next time. Its end is a signal, and is as it should be: 0. */
async function onSchedule(
  settings: CleanupSettings,
  everyMs: number,
  output: Output,
  signal: AbortSignal,
  round: () => Promise<ExitCode>,
): Promise<ExitCode> {
  const stopped = (): boolean => signal.aborted;
  while (!stopped()) {
    const startedMs = performance.now();
    try {
      await round();
    } catch (error) {
      // What won't be otherwise the next time ends it: bad keys of tables, and whatever nobody foresaw.
      if (!(error instanceof CommandError) || error.exitCode === 6) throw error;
      output.document({ event: 'failed', code: error.code, message: error.message });
      output.warn(error.message);
    }
    if (stopped()) break;
    const leftMs = Math.max(0, everyMs - (performance.now() - startedMs));
    if (!settings.json) output.note(`next in ${Math.round(leftMs / 1000)} s`);
    await sleep(leftMs, undefined, { signal }).catch(() => undefined);
  }
  return 0;
}

/** In a pipe progress is told this often. */
const TELL_EVERY_MS = 10_000;

/** Events as they come: JSON lines; or lines, with one that moves where there is a terminal. */
class Teller {
  readonly #output: Output;
  readonly #live: LiveLine | undefined;
  #toldAtMs = performance.now();

  constructor(output: Output, { json, quiet }: CleanupSettings) {
    this.#output = output;
    this.#live = !json && !quiet && process.stderr.isTTY ? new LiveLine(process.stderr) : undefined;
  }

  tell(event: CleanupEvent): void {
    this.#output.document(snakeCased(event));
    if (event.event === 'progress') {
      if (this.#live !== undefined) {
        this.#live.show(progressLine(event));
        return;
      }
      if (performance.now() - this.#toldAtMs < TELL_EVERY_MS) return;
      this.#toldAtMs = performance.now();
    }
    this.#live?.clear();
    const line = eventLine(event);
    if (line !== undefined) this.#output.note(line);
  }

  end(): void {
    this.#live?.clear();
  }
}

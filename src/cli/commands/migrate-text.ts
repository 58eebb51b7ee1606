import type { Blocker, BuildProgress, MigrateEvent, Step } from '../../migrate/index.js';
import { number, seconds, size } from './migrate-words.js';

/** One line for an event, for a log or a pipe. Undefined: not worth a line there. */
export function eventLine(event: MigrateEvent): string | undefined {
  switch (event.event) {
    case 'session_waiting':
      return 'waiting  for a session of the database: is a pool before it full?';
    case 'lock_waiting': {
      const who = event.holder === undefined ? '' : `: ${blockerText(event.holder)}`;
      return `waiting  for another carelink-tokens migrate${who}`;
    }
    case 'step_started':
      return event.sql.includes('CONCURRENTLY') ? `running  ${event.name}` : undefined;
    case 'index_progress':
      return `building ${event.name}  ${progressText(event.progress)}`;
    case 'index_waiting':
      return event.blockers.map((one) => `waiting  ${event.name} for ${blockerText(one)}`).join('\n');
    case 'retry':
      return [
        `retrying ${event.name} in ${seconds(event.pauseMs)} (${event.reason}, try ${event.attempt})`,
        ...event.blockers.map((one) => `         held by ${blockerText(one)}`),
      ].join('\n');
    case 'leftover_dropped':
      return `dropped  an invalid ${event.name}`;
    case 'leftover_stays':
      return event.blockers
        .map((one) => `left     an invalid ${event.name}, held by ${blockerText(one)}`)
        .join('\n');
    case 'step_finished':
      return stepLine(event.step);
    case 'finding':
    case 'unwatched':
      return undefined;
  }
}

function stepLine({ name, outcome, coveredBy, detail, durationMs }: Step): string {
  const by = coveredBy === undefined ? '' : ` by ${coveredBy}`;
  const took = outcome === 'applied' || outcome === 'removed' ? ` (${number(durationMs)} ms)` : '';
  return `${outcome.padEnd(8)} ${name}${by}${took}${detail === undefined ? '' : `: ${detail}`}`;
}

/** The name comes last: it has been told before, and the end is what a narrow terminal cuts off. */
export function liveText(name: string, progress: BuildProgress): string {
  return `${progressText(progress).trimStart()}  ${name}`;
}

const NEARLY_DONE_PERCENT = 95;

function progressText(progress: BuildProgress): string {
  const { percent, phase, bytesPerSecond, tuplesPerSecond, remainingMs, waitingMs } = progress;
  const speed =
    bytesPerSecond !== undefined
      ? `${size(bytesPerSecond)}/s`
      : tuplesPerSecond !== undefined
        ? `${number(tuplesPerSecond)} rows/s`
        : undefined;
  return [
    `${Math.floor(percent)} %`.padStart(5),
    phase,
    speed,
    remainingMs === undefined
      ? undefined
      : remainingMs < 1_000
        ? // Of a phase that is about to end, and others follow.
          percent < NEARLY_DONE_PERCENT
          ? undefined
          : 'nearly done'
        : `about ${seconds(remainingMs)} left`,
    waitingMs >= 1_000 ? `for ${seconds(waitingMs)}` : undefined,
  ]
    .filter(Boolean)
    .join('  ');
}

function blockerText({ pid, user, application, state, ageMs, query }: Blocker): string {
  const known = [user, application, state, ageMs === undefined ? undefined : `${seconds(ageMs)} old`];
  const about = known.filter(Boolean).join(', ');
  return `session ${pid}${about === '' ? '' : ` (${about})`}${query === undefined ? '' : `: ${query}`}`;
}

import { parseDuration } from './durations.js';
import type { LoadStep } from './parts.js';

const RATE = /^\d+(?:\.\d+)?$/;
const MAX_PER_SECOND = 100_000;
const [MIN_MS, MAX_MS] = [1_000, 3_600_000];
const MAX_STEPS = 1_000;

/**
 * The steps that a file holds, a line each: `30s 100` (a duration, refreshes a second), `10s 100..400` (an even rise or fall).
 * Empty lines and what follows a # count for nothing.
 *
 * @returns a sentence that names the line, where one can't be read
 */
export function parseProfile(text: string): readonly LoadStep[] | string {
  const steps: LoadStep[] = [];
  for (const [n, line] of text.split('\n').entries()) {
    const words = line.replace(/#.*/, '').trim().split(/\s+/).filter(Boolean);
    if (words.length === 0) continue;
    const step = stepOf(words);
    if (step === undefined)
      return `line ${n + 1} is no step. One is a duration and refreshes a second, from 0 to ${MAX_PER_SECOND}: \`30s 100\`, or \`10s 100..400\` for an even rise.`;
    steps.push(step);
  }
  const totalMs = steps.reduce((sum, { durationMs }) => sum + durationMs, 0);
  if (totalMs < MIN_MS || totalMs > MAX_MS || steps.length > MAX_STEPS)
    return `the steps must take from 1s to 1h together, and be at most ${MAX_STEPS}.`;
  if (averageOf(steps) === 0) return 'no step has a refresh.';
  return steps;
}

/** Refreshes a second over the whole of it. */
export function averageOf(steps: readonly LoadStep[]): number {
  const [count, ms] = steps.reduce(
    ([sum, time], { durationMs, fromPerSecond, toPerSecond }) => [
      sum + ((fromPerSecond + toPerSecond) / 2) * durationMs,
      time + durationMs,
    ],
    [0, 0],
  );
  return ms === 0 ? 0 : count / ms;
}

function stepOf([duration = '', rate = '', ...more]: readonly string[]): LoadStep | undefined {
  const durationMs = parseDuration(duration);
  const [from = '', to = from, ...others] = rate.split('..');
  if (durationMs === undefined || durationMs <= 0 || more.length > 0 || others.length > 0) return undefined;
  if (![from, to].every((text) => RATE.test(text) && Number(text) <= MAX_PER_SECOND)) return undefined;
  return { durationMs, fromPerSecond: Number(from), toPerSecond: Number(to) };
}

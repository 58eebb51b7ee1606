import type { Asked } from './proxy.js';
import type { Answer } from './answer.js';
import type { Difference } from './differences.js';
import { isToken, redacted } from './redact.js';

/** Whether a request may hold a token, by what is known before its body comes. */
export function mayHoldToken(method: string, headers: Asked['headers']): boolean {
  const length = Number(headers['content-length'] ?? 0);
  return (
    method === 'POST' &&
    length > 0 &&
    length < 16_384 &&
    (headers['content-type'] ?? '').startsWith('application/json')
  );
}

/**
 * Django took a token at a path that isn't one of ours: a request with a token, answered as one of the four endpoints
 * answers.
 */
export function takenElsewhere(
  { body, path }: Pick<Asked, 'body' | 'path'>,
  django: Answer,
): Difference | undefined {
  if (django.status !== 200) return undefined;
  const [asked, told] = [objectOf(body.toString()), django.json];
  if (asked === undefined || typeof told !== 'object' || told === null) return undefined;
  const answer = told as Readonly<Record<string, unknown>>;
  const option = optionFor(asked, answer, path);
  if (option === undefined) return undefined;
  const own = redacted(path.replace(/\/$/, ''));
  return {
    code: 'elsewhere',
    django: `takes a token at ${redacted(path)}`,
    here: 'has nothing at this path',
    mend: `${option} ${own}`,
  };
}

function optionFor(
  asked: Readonly<Record<string, unknown>>,
  answer: Readonly<Record<string, unknown>>,
  path: string,
): string | undefined {
  if (isToken(asked['refresh'])) {
    if (isToken(answer['access'])) return '--refresh-path';
    return Object.keys(answer).length === 0 && /blacklist|log-?out/i.test(path)
      ? '--blacklist-path'
      : undefined;
  }
  if (!isToken(asked['token'])) return undefined;
  if (isToken(answer['token'])) return '--sliding-path';
  return Object.keys(answer).length === 0 && /verify/i.test(path) ? '--verify-path' : undefined;
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

import { parseDuration } from './durations.js';
import type { ValueKind } from './kinds.js';

const ISO = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d(?::?\d\d)?)$/;

const isMoment = (text: string): boolean => ISO.test(text) && !Number.isNaN(Date.parse(text));

/** A moment with its zone: without one it would be midnight somewhere else. */
export const moment: ValueKind<string> = {
  placeholder: 'time',
  allowed: 'now, or a time with its zone such as 2026-02-03T16:05:00Z or 2026-02-03T17:05:00+01:00',
  parse: (given) => (given === 'now' || isMoment(given) ? given : undefined),
};

/** Where a report begins. */
export type Since =
  { readonly kind: 'ago'; readonly ms: number } | { readonly kind: 'at'; readonly at: string };

export const since: ValueKind<Since> = {
  placeholder: 'duration|time',
  allowed: 'how long ago, such as 12h, 7d or 1y, or a time with its zone such as 2026-02-03T16:05:00Z',
  parse(given) {
    const ms = parseDuration(given);
    if (ms !== undefined) return { kind: 'ago', ms };
    return isMoment(given) ? { kind: 'at', at: given } : undefined;
  },
};

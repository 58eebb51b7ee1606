/**
 * Our own objects are in one schema of their own for each Django schema: `carelink` for the site that has it. What depends
 * on its name is derived here and nowhere else. The name goes into SQL as it is: it needs no quotes.
 *
 * Settings (`carelink.quiet`) are no objects, and are called the same everywhere.
 */
export const DEFAULT_OWN = 'carelink';

/** Whoever works with a site carries the name of its own schema. */
export interface Owned {
  readonly own: string;
}

/** A trigger of ours. Two sites may have theirs on one user table. */
export function triggerName(own: string, tells: string): string {
  return `${own}_tell_${tells}`;
}

/** Where the triggers of `migrate --notify` tell of changes. */
export function channelOf(own: string): string {
  return `${own}_changes`;
}

import type { Database } from '../store/database.js';
import type { DatabaseEvidence, DatabaseFacts, Evidence } from './evidence.js';

export interface Finding {
  /** `fault`: refreshes fail, or are not safe. `warning`: they will, or something is slower than it need be. */
  readonly severity: 'fault' | 'warning' | 'note';
  /** What is wrong, in a sentence. */
  readonly what: string;
  /** What to do about it. */
  readonly mend: string;
}

/** It can't be told here, and why. */
export interface Unknown {
  readonly unknown: string;
}

/** `unused`: what the check is about is not configured. */
export type Judged = readonly Finding[] | Unknown | 'unused';

/** One thing to look at. Pure: from what was read to what is wrong with it. */
export interface Check {
  readonly id: string;
  /** What holds where nothing is found. */
  readonly title: string;
  /** What only this check reads; it may throw, and then `judge` of `ofQuery` is not asked. */
  readonly read?: (database: Database, facts: DatabaseFacts) => Promise<unknown>;
  judge(evidence: Evidence): Judged;
}

export type Reached = Extract<DatabaseEvidence, { kind: 'reached' }>;

export const cannotTell = (why: string): Unknown => ({ unknown: why });

/** A check that needs a database that answers. */
export function ofDatabase(
  id: string,
  title: string,
  judge: (database: Reached, evidence: Evidence) => Judged,
): Check {
  return {
    id,
    title,
    judge: (evidence) =>
      evidence.database.kind === 'reached'
        ? judge(evidence.database, evidence)
        : cannotTell('the database does not answer'),
  };
}

/** The same, with simplejwt's tables in it; of a site that has none there is nothing to be said. */
export function ofTables(
  id: string,
  title: string,
  judge: (database: Reached, evidence: Evidence) => Judged,
): Check {
  return ofDatabase(id, title, (database, evidence) =>
    database.facts.outstanding && database.facts.blacklisted
      ? judge(database, evidence)
      : evidence.options.tokenTables
        ? cannotTell("simplejwt's tables are not there")
        : 'unused',
  );
}

/**
 * A check with a look of its own at the database. `read` runs only where simplejwt's tables are there; where it
 * throws, the check can't tell, and says why.
 */
export function ofQuery<T>(
  id: string,
  title: string,
  read: (database: Database, facts: DatabaseFacts) => Promise<T>,
  judge: (value: T, database: Reached, evidence: Evidence) => Judged,
): Check {
  const check = ofTables(id, title, (database, evidence) => {
    const reading = database.readings.get(id);
    if (reading === undefined) return cannotTell('it was not looked at');
    // What is kept under this id came from `read` above.
    return 'why' in reading ? cannotTell(reading.why) : judge(reading.value as T, database, evidence);
  });
  return { ...check, read };
}

export const fault = (what: string, mend: string): Finding => ({ severity: 'fault', what, mend });
export const warning = (what: string, mend: string): Finding => ({ severity: 'warning', what, mend });
export const note = (what: string, mend: string): Finding => ({ severity: 'note', what, mend });

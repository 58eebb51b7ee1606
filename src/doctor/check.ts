import type { DatabaseEvidence, Evidence } from './evidence.js';

export interface Finding {
  /** `fault`: refreshes fail, or are not safe. `warning`: they will, or something is slower than it need be. */
  readonly severity: 'fault' | 'warning' | 'note';
  /** What is wrong, in a sentence. */
  readonly what: string;
  /** What to do about it. */
  readonly mend: string;
}

/** One thing to look at. Pure: from what was read to what is wrong with it. */
export interface Check {
  readonly id: string;
  /** What holds where nothing is found. */
  readonly title: string;
  /** Undefined: it can't be told here, because something it builds on is missing. `unused`: it is not configured. */
  judge(evidence: Evidence): readonly Finding[] | 'unused' | undefined;
}

type Reached = Extract<DatabaseEvidence, { kind: 'reached' }>;

/** A check that needs a database that answers. */
export function ofDatabase(
  id: string,
  title: string,
  judge: (database: Reached, evidence: Evidence) => readonly Finding[] | undefined,
): Check {
  return {
    id,
    title,
    judge: (evidence) =>
      evidence.database.kind === 'reached' ? judge(evidence.database, evidence) : undefined,
  };
}

/** The same, with simplejwt's tables in it. */
export function ofTables(
  id: string,
  title: string,
  judge: (database: Reached, evidence: Evidence) => readonly Finding[] | undefined,
): Check {
  return ofDatabase(id, title, (database, evidence) =>
    database.facts.outstanding && database.facts.blacklisted ? judge(database, evidence) : undefined,
  );
}

export const fault = (what: string, mend: string): Finding => ({ severity: 'fault', what, mend });
export const warning = (what: string, mend: string): Finding => ({ severity: 'warning', what, mend });
export const note = (what: string, mend: string): Finding => ({ severity: 'note', what, mend });

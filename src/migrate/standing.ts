import type { IndexFacts } from './coverage.js';
import type { Migration } from './files.js';

/** What `status` calls a migration. `up` has nothing to do for the first two, and leaves the last one alone. */
export type State = 'applied' | 'covered' | 'pending' | 'invalid' | 'drifted';

/**
 * What `up` does for it. `run`: its SQL, in a transaction. `build`: its index, after dropping an invalid one of its
 * name. `adopt`: an earlier run built it and was killed before it could say so. `cover`: note what covers it.
 */
export type Action = 'nothing' | 'run' | 'build' | 'adopt' | 'cover' | 'leave';

export interface Standing {
  readonly migration: Migration;
  readonly state: State;
  readonly action: Action;
  readonly coveredBy?: string;
  /** A sentence, where state and action don't say it all. */
  readonly detail?: string;
  /** Of an index: as it is wanted, and as it is under its name. */
  readonly wanted?: IndexFacts;
  readonly own?: IndexFacts;
  /** Of settings: the parameters that are still to be set. */
  readonly parameters?: ReadonlyMap<string, string>;
}

/** Its SQL is to be run. */
export function toRun(migration: Migration, detail?: string): Standing {
  return { migration, state: 'pending', action: 'run', ...(detail === undefined ? {} : { detail }) };
}

/** `up` has nothing to do. */
export function isApplied(migration: Migration): Standing {
  return { migration, state: 'applied', action: 'nothing' };
}

import { interchangeable, shortfall, type IndexFacts } from './coverage.js';

export interface Redundant {
  readonly index: IndexFacts;
  /** The index that does all that it does. */
  readonly by: IndexFacts;
}

/**
 * Indexes that cost writes and disk while another one does their work. Named, never dropped: only the operator knows
 * whether a query hint, a monitoring rule or a migration of Django's refers to one by its name.
 *
 * One that enforces anything isn't redundant, and neither is one that only a redundant one could replace.
 */
export function redundantIndexes(indexes: readonly IndexFacts[], ours: ReadonlySet<string>): Redundant[] {
  const found: Redundant[] = [];
  const kept = new Set(indexes.filter((index) => index.valid));
  for (const index of [...kept].sort((a, b) => giveUpFirst(a, b, ours))) {
    if (index.unique || index.constraint !== undefined || index.replicaIdentity) continue;
    const others = [...kept].filter((other) => other !== index && shortfall(index, other) === undefined);
    // The one that is most like it is the one that its queries will go to.
    const by = others.find((other) => interchangeable(index, other)) ?? others[0];
    if (by === undefined) continue;
    kept.delete(index);
    found.push({ index, by });
  }
  // Named is one that stays: who drops all that are named must lose nothing.
  const staying = (by: IndexFacts): IndexFacts => {
    const next = found.find(({ index }) => index === by);
    return next === undefined ? by : staying(next.by);
  };
  return found.map(({ index, by }) => ({ index, by: staying(by) }));
}

/** Of two that could replace each other ours goes, because Django's migrations know theirs by name. */
function giveUpFirst(a: IndexFacts, b: IndexFacts, ours: ReadonlySet<string>): number {
  return Number(ours.has(b.name)) - Number(ours.has(a.name)) || (a.name < b.name ? -1 : 1);
}

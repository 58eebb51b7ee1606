import fc from 'fast-check';
import type { IndexFacts, IndexKey } from '../../../src/migrate/coverage.js';

export function key(expression: string, more: Partial<IndexKey> = {}): IndexKey {
  return { expression, operators: 'ops', collation: '', descending: false, nullsFirst: false, ...more };
}

export function index(
  name: string,
  keys: readonly (string | IndexKey)[],
  more: Partial<IndexFacts> = {},
): IndexFacts {
  return {
    name,
    qualifiedName: `public.${name}`,
    table: 't',
    accessMethod: 'btree',
    keys: keys.map((one) => (typeof one === 'string' ? key(one) : one)),
    include: [],
    predicate: undefined,
    unique: false,
    nullsNotDistinct: false,
    deferrable: false,
    valid: true,
    constraint: undefined,
    replicaIdentity: false,
    bytes: 8192,
    scans: 0,
    definition: `CREATE INDEX ${name} ON t`,
    ...more,
  };
}

const mostly = <T>(usual: T, other: T) => fc.constantFrom(usual, usual, usual, usual, other);

const anyKey = fc.record({
  expression: fc.constantFrom('a', 'b', 'c'),
  operators: mostly('text', 'pattern'),
  collation: mostly('', 'C'),
  descending: mostly(false, true),
  nullsFirst: mostly(false, true),
});

/** From a world so small that coverage is common in it. */
export const anyIndex: fc.Arbitrary<IndexFacts> = fc
  .record({
    name: fc.uuid(),
    keys: fc.uniqueArray(anyKey, { selector: ({ expression }) => expression, minLength: 1, maxLength: 3 }),
    include: fc.constantFrom([], [], ['d'], ['d', 'e']),
    predicate: mostly<string | undefined>(undefined, 'a > 0'),
    unique: fc.boolean(),
    deferrable: mostly(false, true),
    valid: mostly(true, false),
    accessMethod: mostly('btree', 'gist'),
    constrained: fc.boolean(),
  })
  .map(({ name, keys, constrained, ...more }) =>
    index(name, keys, {
      ...more,
      deferrable: more.unique && more.deferrable,
      constraint: more.unique && constrained ? name : undefined,
    }),
  );

/** One key of an index, as the catalog has it. */
export interface IndexKey {
  /** A column's name, quoted where it has to be, or an expression. */
  readonly expression: string;
  /** Operator family and input type: what two operator classes must share to answer the same questions. */
  readonly operators: string;
  /** Empty where the type has none. */
  readonly collation: string;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

export interface IndexFacts {
  readonly name: string;
  /** With its schema, quoted: ready for SQL. */
  readonly qualifiedName: string;
  readonly table: string;
  readonly accessMethod: string;
  readonly keys: readonly IndexKey[];
  readonly include: readonly string[];
  readonly predicate: string | undefined;
  readonly unique: boolean;
  readonly nullsNotDistinct: boolean;
  /** Uniqueness is checked at the end of a transaction. */
  readonly deferrable: boolean;
  /** Valid, ready and live: queries may use it, and writes keep it up. */
  readonly valid: boolean;
  /** The constraint that it enforces. */
  readonly constraint: string | undefined;
  readonly replicaIdentity: boolean;
  readonly bytes: number;
  /** Since the statistics were last reset. */
  readonly scans: number;
  /** pg_get_indexdef */
  readonly definition: string;
}

/** The first thing in which an index falls short of a wanted one. */
export type Shortfall =
  | 'another table'
  | 'not valid'
  | 'another access method'
  | 'other columns'
  | 'another operator class'
  | 'another collation'
  | 'another order'
  | 'included columns missing'
  | 'another predicate'
  | 'not unique alike';

/**
 * In what an existing index falls short of a wanted one; undefined where it covers it, that is, where it can do all
 * that the wanted one could: the same searches, the same order, the same index-only scans, the same uniqueness.
 *
 * Where that can't be told for certain it isn't covered: an index too many costs some writes, one too few a search
 * through the whole table. See "Multicolumn Indexes" and "Indexes and ORDER BY" in the PostgreSQL manual.
 */
export function shortfall(wanted: IndexFacts, existing: IndexFacts): Shortfall | undefined {
  if (existing.table !== wanted.table) return 'another table';
  if (!existing.valid) return 'not valid';
  if (existing.accessMethod !== wanted.accessMethod) return 'another access method';

  // The leading keys of a B-tree answer alone; how other methods use their keys is their own affair.
  const leading = existing.keys.slice(0, wanted.keys.length);
  if (wanted.accessMethod !== 'btree' && existing.keys.length !== wanted.keys.length) return 'other columns';
  if (!alike(wanted.keys, leading, (key) => key.expression)) return 'other columns';
  if (!alike(wanted.keys, leading, (key) => key.operators)) return 'another operator class';
  if (!alike(wanted.keys, leading, (key) => key.collation)) return 'another collation';
  // A B-tree is read backwards as easily as forwards, but only as a whole.
  if (!alike(wanted.keys, leading, orderOf) && !alike(wanted.keys.map(backwards), leading, orderOf)) {
    return 'another order';
  }

  const held = new Set([...existing.include, ...existing.keys.map((key) => key.expression)]);
  if (wanted.include.some((column) => !held.has(column))) return 'included columns missing';
  // Without a predicate it has all rows, those of any predicate among them.
  if (existing.predicate !== undefined && existing.predicate !== wanted.predicate) return 'another predicate';
  if (wanted.unique && !sameUniqueness(wanted, existing)) return 'not unique alike';
  return undefined;
}

/** True where each can take the other's place. */
export function interchangeable(one: IndexFacts, other: IndexFacts): boolean {
  return shortfall(one, other) === undefined && shortfall(other, one) === undefined;
}

/** Two definitions of one index, wherever its table is now: a schema that is renamed keeps its indexes. */
export function sameDefinition(one: string | undefined, other: string): boolean {
  const placeless = (text: string): string => text.replace(/ ON (?:"(?:[^"]|"")+"|[\w$]+)\./, ' ON ');
  return one !== undefined && placeless(one) === placeless(other);
}

/** The index that covers a wanted one best: alike, or as little wider than it as there is. */
export function bestCover(wanted: IndexFacts, existing: readonly IndexFacts[]): IndexFacts | undefined {
  const excess = (index: IndexFacts): number =>
    index.keys.length + index.include.length + (index.predicate === wanted.predicate ? 0 : 1);
  return existing
    .filter((index) => shortfall(wanted, index) === undefined)
    .sort(
      (a, b) =>
        excess(a) - excess(b) ||
        // A constraint's index is the one that nobody will drop.
        Number(b.constraint !== undefined) - Number(a.constraint !== undefined) ||
        (a.name < b.name ? -1 : 1),
    )[0];
}

function alike(
  wanted: readonly IndexKey[],
  existing: readonly IndexKey[],
  part: (key: IndexKey) => string,
): boolean {
  return wanted.every((key, at) => {
    const other = existing[at];
    return other !== undefined && part(other) === part(key);
  });
}

function orderOf(key: IndexKey): string {
  return `${key.descending ? 'desc' : 'asc'} nulls ${key.nullsFirst ? 'first' : 'last'}`;
}

function backwards(key: IndexKey): IndexKey {
  return { ...key, descending: !key.descending, nullsFirst: !key.nullsFirst };
}

function sameUniqueness(wanted: IndexFacts, existing: IndexFacts): boolean {
  return (
    existing.unique &&
    existing.keys.length === wanted.keys.length &&
    existing.predicate === wanted.predicate &&
    existing.nullsNotDistinct === wanted.nullsNotDistinct &&
    // ON CONFLICT and foreign keys can't use one that is checked late.
    (!existing.deferrable || wanted.deferrable)
  );
}

import type { Shortfall } from '../../../src/migrate/coverage.js';

/** A wanted index, an existing one, and what the rules and the planner have to say about them. */
export interface Pair {
  readonly wanted: string;
  readonly existing: string;
  /** Undefined: it covers. */
  readonly shortfall: Shortfall | undefined;
  /** What the wanted index is for: it serves each of these. */
  readonly queries: readonly string[];
  /** The planner would put up with the existing one, and the rules don't: an index too many is the smaller evil. */
  readonly conservative?: true;
  /** Only an index-only scan counts as served. */
  readonly indexOnly?: true;
  /** A condition besides those of the index is no shortfall: the predicate, where the existing index has all rows. */
  readonly filterAllowed?: true;
  readonly minVersion?: number;
}

const T = 'token_blacklist_outstandingtoken';
const select = (rest: string, what = '*') => `SELECT ${what} FROM ${T} ${rest}`;
const insert = (target: string) =>
  `INSERT INTO ${T} (id, token, expires_at, user_id, jti) VALUES (0, '', now(), 1, 'x') ON CONFLICT ${target} DO NOTHING`;

/** `(columns) options` is a B-tree; `USING method (columns)` another one; `UNIQUE ...`, and constraints as they are. */
export const PAIRS: readonly Pair[] = [
  // Columns
  { wanted: '(jti)', existing: 'UNIQUE (jti)', shortfall: undefined, queries: [select("WHERE jti = 'x'"), select('ORDER BY jti LIMIT 1')] },
  { wanted: '(jti)', existing: 'CONSTRAINT UNIQUE (jti)', shortfall: undefined, queries: [select("WHERE jti = 'x'")] },
  { wanted: '(user_id)', existing: '(user_id)', shortfall: undefined, queries: [select('WHERE user_id = 1')] },
  { wanted: '(user_id)', existing: '(user_id, created_at)', shortfall: undefined, queries: [select('WHERE user_id = 1')] },
  { wanted: '(user_id, created_at)', existing: '(user_id)', shortfall: 'other columns', queries: [select('WHERE user_id = 1 ORDER BY created_at')] },
  { wanted: '(user_id, created_at)', existing: '(user_id, created_at, id)', shortfall: undefined, queries: [select('WHERE user_id = 1 ORDER BY created_at'), select('ORDER BY user_id, created_at LIMIT 9')] },
  { wanted: '(user_id, created_at)', existing: '(user_id, id, created_at)', shortfall: 'other columns', queries: [select('ORDER BY user_id, created_at LIMIT 9')] },
  { wanted: '(user_id, created_at)', existing: '(created_at, user_id)', shortfall: 'other columns', queries: [select('ORDER BY user_id, created_at LIMIT 9')] },
  { wanted: '(created_at)', existing: '(user_id, created_at)', shortfall: 'other columns', queries: [select('ORDER BY created_at LIMIT 9')] },
  { wanted: '(expires_at, id)', existing: '(expires_at)', shortfall: 'other columns', queries: [select('WHERE (expires_at, id) > (now(), 5) ORDER BY expires_at, id LIMIT 9')] },
  { wanted: '(expires_at, id)', existing: '(expires_at, id, user_id)', shortfall: undefined, queries: [select('WHERE (expires_at, id) > (now(), 5) ORDER BY expires_at, id LIMIT 9')] },
  { wanted: '(lower(jti))', existing: '(jti)', shortfall: 'other columns', queries: [select("WHERE lower(jti) = 'x'")] },
  { wanted: '(lower(jti))', existing: '(lower(jti), id)', shortfall: undefined, queries: [select("WHERE lower(jti) = 'x'")] },
  { wanted: '(lower(jti))', existing: '(upper(jti))', shortfall: 'other columns', queries: [select("WHERE lower(jti) = 'x'")] },
  // Operator classes and collations
  { wanted: '(jti)', existing: '(jti varchar_pattern_ops)', shortfall: 'another operator class', queries: [select("WHERE jti = 'x'"), select("WHERE jti > 'x' ORDER BY jti LIMIT 1")] },
  { wanted: '(jti varchar_pattern_ops)', existing: '(jti)', shortfall: 'another operator class', queries: [select("WHERE jti ~>=~ 'x'")] },
  { wanted: '(jti)', existing: '(jti text_ops)', shortfall: undefined, queries: [select("WHERE jti = 'x'")] },
  { wanted: '(jti varchar_pattern_ops)', existing: '(jti text_pattern_ops)', shortfall: undefined, queries: [select("WHERE jti ~>=~ 'x'")] },
  { wanted: '(user_id, jti)', existing: '(user_id, jti varchar_pattern_ops)', shortfall: 'another operator class', queries: [select("WHERE user_id = 1 AND jti > 'x'  ORDER BY jti")] },
  { wanted: '(jti COLLATE "C")', existing: '(jti)', shortfall: 'another collation', queries: [select('ORDER BY jti COLLATE "C" LIMIT 9')] },
  { wanted: '(jti)', existing: '(jti COLLATE "C")', shortfall: 'another collation', queries: [select('ORDER BY jti LIMIT 9')] },
  { wanted: '(jti COLLATE "POSIX")', existing: '(jti COLLATE "C")', shortfall: 'another collation', queries: [select('ORDER BY jti COLLATE "POSIX" LIMIT 9')] },
  // Order
  { wanted: '(created_at)', existing: '(created_at DESC)', shortfall: undefined, queries: [select('ORDER BY created_at LIMIT 9')] },
  { wanted: '(created_at DESC)', existing: '(created_at)', shortfall: undefined, queries: [select('ORDER BY created_at DESC LIMIT 9')] },
  { wanted: '(created_at NULLS FIRST)', existing: '(created_at)', shortfall: 'another order', queries: [select('ORDER BY created_at NULLS FIRST LIMIT 9')] },
  { wanted: '(created_at DESC NULLS LAST)', existing: '(created_at NULLS FIRST)', shortfall: undefined, queries: [select('ORDER BY created_at DESC NULLS LAST LIMIT 9')] },
  { wanted: '(expires_at)', existing: '(expires_at DESC NULLS LAST)', shortfall: 'another order', queries: [select('ORDER BY expires_at LIMIT 9')] },
  { wanted: '(user_id, created_at DESC)', existing: '(user_id, created_at)', shortfall: 'another order', queries: [select('ORDER BY user_id, created_at DESC LIMIT 9')] },
  { wanted: '(user_id DESC, created_at)', existing: '(user_id, created_at DESC)', shortfall: undefined, queries: [select('ORDER BY user_id DESC, created_at LIMIT 9')] },
  { wanted: '(user_id)', existing: '(user_id DESC, created_at)', shortfall: undefined, queries: [select('ORDER BY user_id LIMIT 9')] },
  // Access methods
  { wanted: '(jti)', existing: 'USING hash (jti)', shortfall: 'another access method', queries: [select("WHERE jti = 'x'"), select('ORDER BY jti LIMIT 9')] },
  { wanted: 'USING hash (jti)', existing: '(jti)', shortfall: 'another access method', queries: [select("WHERE jti = 'x'")], conservative: true },
  { wanted: '(created_at)', existing: 'USING brin (created_at)', shortfall: 'another access method', queries: [select('ORDER BY created_at LIMIT 9')] },
  { wanted: 'USING hash (jti)', existing: 'USING hash (jti)', shortfall: undefined, queries: [select("WHERE jti = 'x'")] },
  // Included columns
  { wanted: '(user_id) INCLUDE (created_at)', existing: '(user_id)', shortfall: 'included columns missing', queries: [select('WHERE user_id = 1', 'created_at')], indexOnly: true },
  { wanted: '(user_id) INCLUDE (created_at)', existing: '(user_id, created_at)', shortfall: undefined, queries: [select('WHERE user_id = 1', 'created_at')], indexOnly: true },
  { wanted: '(user_id) INCLUDE (created_at)', existing: '(user_id) INCLUDE (expires_at, created_at)', shortfall: undefined, queries: [select('WHERE user_id = 1', 'created_at')], indexOnly: true },
  { wanted: '(user_id)', existing: '(user_id) INCLUDE (created_at)', shortfall: undefined, queries: [select('WHERE user_id = 1')] },
  { wanted: '(user_id, created_at)', existing: '(user_id) INCLUDE (created_at)', shortfall: 'other columns', queries: [select('WHERE user_id = 1 ORDER BY created_at')] },
  // Predicates
  { wanted: '(user_id)', existing: '(user_id) WHERE created_at IS NOT NULL', shortfall: 'another predicate', queries: [select('WHERE user_id = 1')] },
  { wanted: '(user_id) WHERE created_at IS NOT NULL', existing: '(user_id)', shortfall: undefined, queries: [select('WHERE user_id = 1 AND created_at IS NOT NULL')], filterAllowed: true },
  { wanted: '(user_id) WHERE created_at IS NOT NULL', existing: '(user_id) WHERE created_at IS NOT NULL', shortfall: undefined, queries: [select('WHERE user_id = 1 AND created_at IS NOT NULL')] },
  { wanted: '(user_id) WHERE created_at IS NOT NULL', existing: '(user_id) WHERE created_at IS NULL', shortfall: 'another predicate', queries: [select('WHERE user_id = 1 AND created_at IS NOT NULL')] },
  // Uniqueness
  { wanted: 'UNIQUE (jti)', existing: '(jti)', shortfall: 'not unique alike', queries: [insert('(jti)')] },
  { wanted: 'UNIQUE (jti)', existing: 'CONSTRAINT UNIQUE (jti)', shortfall: undefined, queries: [insert('(jti)')] },
  { wanted: 'UNIQUE (jti)', existing: 'CONSTRAINT UNIQUE (jti) DEFERRABLE', shortfall: 'not unique alike', queries: [insert('(jti)')] },
  { wanted: 'UNIQUE (jti)', existing: 'UNIQUE (jti, user_id)', shortfall: 'not unique alike', queries: [insert('(jti)')] },
  { wanted: 'UNIQUE (user_id, jti)', existing: 'UNIQUE (jti)', shortfall: 'other columns', queries: [insert('(user_id, jti)')] },
  { wanted: "UNIQUE (jti) WHERE token <> ''", existing: 'UNIQUE (jti)', shortfall: 'not unique alike', queries: [insert("(jti) WHERE token <> ''")], conservative: true },
  { wanted: 'UNIQUE (jti)', existing: "UNIQUE (jti) WHERE token <> ''", shortfall: 'another predicate', queries: [insert('(jti)')] },
  { wanted: 'UNIQUE (jti) NULLS NOT DISTINCT', existing: 'UNIQUE (jti)', shortfall: 'not unique alike', queries: [insert('(jti)')], conservative: true, minVersion: 150_000 },
  // Validity
  { wanted: '(user_id)', existing: 'INVALID (user_id)', shortfall: 'not valid', queries: [select('WHERE user_id = 1')] },
]; // prettier-ignore

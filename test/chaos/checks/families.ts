import type { OutstandingRow, Violation } from '../history.js';
import { groupBy, type HistoryIndex, successorOf } from '../history-index.js';

/** Judges families: one unbroken line from the log-in to exactly one live token, in the answers and in the rows. */
export function* checkFamilies(index: HistoryIndex): Iterable<Violation> {
  yield* checkLine(index);
  yield* checkDuplicates(index);
  const rowsOf = groupBy(index.history.rows.outstanding, ({ family }) => family);
  for (const [family, root] of index.history.roots)
    yield* checkFamilyRows(family, root, rowsOf.get(family) ?? [], index);
}

/** Every token that was sent is the family's first or was handed out before, and by one predecessor alone. */
function* checkLine({ history, tokens }: HistoryIndex): Iterable<Violation> {
  const predecessorOf = new Map<string, string>();
  for (const { jti, family, attempts, successors } of tokens.values()) {
    for (const successor of successors) {
      const other = predecessorOf.get(successor);
      if (other !== undefined) {
        const what = `its successor ${successor} is the successor of ${other}, too`;
        yield { kind: 'shared_successor', family, jti, what, attempts };
      }
      predecessorOf.set(successor, jti);
    }
  }
  for (const { jti, family, attempts } of tokens.values()) {
    if (history.roots.get(family) === jti) continue;
    const predecessor = tokens.get(predecessorOf.get(jti) ?? '');
    const handedOut = predecessor?.attempts.filter((attempt) => successorOf(attempt) === jti) ?? [];
    const first = attempts[0]!;
    if (predecessor?.family !== family || !handedOut.some(({ endedAtMs }) => endedAtMs <= first.sentAtMs)) {
      yield {
        kind: 'token_from_nowhere',
        family,
        jti,
        what: 'sent, but not handed out to it before',
        attempts: [first],
      };
    }
  }
}

function* checkFamilyRows(
  family: string,
  root: string,
  rows: readonly OutstandingRow[],
  { blacklistedOf }: HistoryIndex,
): Iterable<Violation> {
  const live = rows.filter(({ id }) => !blacklistedOf.has(id));
  if (live.length !== 1) {
    const kind = live.length === 0 ? 'no_live_token' : 'two_live_tokens';
    const what = `${live.length} of ${rows.length} rows are not blacklisted: ${live.map(({ jti }) => jti).join(', ')}`;
    yield { kind, family, jti: live.at(-1)?.jti ?? root, what, attempts: [] };
  }
  const claims = new Set(rows.map(({ id }) => blacklistedOf.get(id)?.blacklistedAtUs));
  const made = new Map<bigint, string>();
  for (const { jti, createdAtUs } of rows) {
    if (jti === root) continue;
    if (!claims.has(createdAtUs)) {
      const what = `created at ${createdAtUs}, when no token of its family was claimed`;
      yield { kind: 'row_without_claim', family, jti, what, attempts: [] };
    }
    const twin = made.get(createdAtUs);
    if (twin !== undefined) {
      yield { kind: 'forked_claim', family, jti, what: `made by the same claim as ${twin}`, attempts: [] };
    }
    made.set(createdAtUs, jti);
  }
}

/** What the unique constraints and foreign keys forbid: seen only where somebody lost them. */
function* checkDuplicates({ history: { rows }, rowOf, blacklistedOf }: HistoryIndex): Iterable<Violation> {
  for (const row of rows.outstanding) {
    if (rowOf.get(row.jti) === row) continue;
    const what = `row ${row.id} has the jti of another`;
    yield { kind: 'duplicate_row', family: row.family, jti: row.jti, what, attempts: [] };
  }
  const ids = new Set(rows.outstanding.map(({ id }) => id));
  for (const row of rows.blacklisted) {
    const evidence = { family: '', jti: '', attempts: [] };
    if (blacklistedOf.get(row.tokenId) !== row) {
      yield {
        kind: 'duplicate_row',
        what: `outstanding row ${row.tokenId} is blacklisted twice`,
        ...evidence,
      };
    }
    if (!ids.has(row.tokenId)) {
      yield {
        kind: 'blacklisted_without_token',
        what: `there is no outstanding row ${row.tokenId}`,
        ...evidence,
      };
    }
  }
}

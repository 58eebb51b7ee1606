import { setTimeout as sleep } from 'node:timers/promises';
import { measured, type CleanupSession, type Query } from '../cleanup/session.js';
import { STALE_MS } from '../store/change-feed.js';
import type { Deed } from '../rotation/deed.js';
import { deedValue, type Audited } from '../store/audit-sql.js';
import type { Value } from '../store/quote.js';
import type { RowDates } from '../store/row-dates.js';
import type { TokenSchema } from '../store/schema.js';
import {
  BEGIN_COUNT,
  countIssuedBeforeSql,
  FIRST_LIVE_SQL,
  heardSql,
  issuedBeforeSql,
  lateSql,
  markEverybodySql,
  MOMENT_SQL,
  OLDER_TRANSACTIONS_SQL,
  UNTIL_SQL,
  type BatchRow,
} from './batch-sql.js';
import { RevokeError } from './errors.js';
import type { Reconnecting } from './reconnecting.js';
import { paced, type PacedOptions, type Tally } from './paced.js';

/** Ids that a sequence has given to rows that nobody sees yet: far more than are ever in flight. */
const IDS_IN_FLIGHT = 20_000;

/** A mark is committed within that time, as a rule; who logs in meanwhile has to log in again. */
const COMMIT_MS = 100;

/** An instance takes claims in Redis for a second after the last beat of its change feed (store/change-feed.ts). */
const UNHEARD_MS = STALE_MS;

/** A claim's statement is given up by then, whatever it waits for. */
const CLAIM_LIFE_MS = 60_000;
const POLL_MS = 20;

/** The last row that was looked at: until when it says that its token lives, and its id. */
type Cursor = readonly [expiresAt: string, id: string];

/**
 * How many live rows were issued before the moment. Changes nothing.
 *
 * @param at ISO 8601; undefined: now
 * @throws RevokeError MOMENT_AHEAD
 */
export async function countIssuedBefore(
  session: CleanupSession,
  schema: TokenSchema,
  dates: RowDates,
  at: string | undefined,
): Promise<number> {
  const moment = await momentOf(session, at);
  const first = await firstLive(session, dates);
  const text = countIssuedBeforeSql(schema, isZoned(dates));
  return session.transaction(BEGIN_COUNT, async (query) => {
    const [row] = await query<{ live: number }>(text, [moment, first, dates.extraSeconds]);
    return { end: 'rollback', value: row?.live ?? 0 };
  });
}

/**
 * Revokes all tokens issued before the moment, of all users, those without a row included.
 *
 * First a mark, which every claim reads: from its commit on none of them refreshes anywhere, whatever an instance
 * remembers. Then the rows, for Django, which knows nothing of the mark; at last those of claims that were under way
 * meanwhile.
 *
 * @throws RevokeError
 */
export async function revokeIssuedBefore(
  session: Reconnecting,
  schema: TokenSchema,
  dates: RowDates,
  at: string | undefined,
  deed: Deed,
  options: PacedOptions,
): Promise<Tally> {
  const asked = await momentOf(session, at);
  const newestId = `SELECT coalesce(max(id), 0)::text AS id FROM ${schema.outstanding}`;
  const [before] = await session.query<{ id: string }>(newestId);
  const moment =
    at === undefined ? await markNow(session, schema, deed) : await mark(session, schema, asked, 0, deed);
  const recorded = schema.audits === true ? [deedValue(deed)] : [];

  const page = async (query: Query, text: string, cursor: Cursor, limit: number, more: readonly Value[]) => {
    const values = [...cursor, limit, moment, dates.extraSeconds, ...recorded, ...more];
    const { row, workedMs } = await measured<BatchRow>(query, text, values);
    const { seen = 0, won = 0, last_expires_at = null, last_id = null } = row ?? {};
    const next: Cursor = last_expires_at === null || last_id === null ? cursor : [last_expires_at, last_id];
    return { seen, won, workedMs, last: seen < limit, next };
  };
  const zoned = isZoned(dates);
  const older = issuedBeforeSql(schema, zoned);
  const start: Cursor = [await firstLive(session, dates), '-9223372036854775808'];
  const tally = await paced(session, schema, options, start, (query, limit, cursor) =>
    page(query, older, cursor, limit, []),
  );
  if (tally.interrupted) return tally;

  await momentComes(session, moment);
  await olderTransactionsEnd(session, moment);
  const [after] = await session.query<{ id: string }>(newestId);
  const late = lateSql(schema, zoned);
  const firstNew: Cursor = ['-infinity', (BigInt(before?.id ?? '0') - BigInt(IDS_IN_FLIGHT)).toString()];
  const goingOn = { ...options, onBatch: (revoked: number) => options.onBatch(tally.revoked + revoked) };
  const rest = await paced(session, schema, goingOn, firstNew, (query, limit, cursor) =>
    page(query, late, cursor, limit, [after?.id ?? '0']),
  );
  // Of a commit whose answer was lost nobody knows whether a standby has it; it has, if it has this one.
  if (!rest.interrupted && session.losses() > 0) await mark(session, schema, moment, 0, deed);
  return {
    revoked: tally.revoked + rest.revoked,
    batches: tally.batches + rest.batches,
    retries: tally.retries + rest.retries,
    interrupted: rest.interrupted,
  };
}

/**
 * The same of a site without token tables: the mark is all that there is to be set.
 *
 * @throws RevokeError MOMENT_AHEAD
 */
export async function markIssuedBefore(
  session: CleanupSession,
  owned: Audited,
  at: string | undefined,
  deed: Deed,
): Promise<void> {
  const asked = await momentOf(session, at);
  await momentComes(
    session,
    at === undefined ? await markNow(session, owned, deed) : await mark(session, owned, asked, 0, deed),
  );
}

/**
 * Revokes what is issued until a moment from now, as late as a claim can be made that knows nothing of the mark: until
 * its commit, or in Redis, by an instance that goes on relying on its change feed. A mark without that lead would let
 * their successors live, issued after it. Where the commit took longer than was thought, another mark is set.
 */
async function markNow(session: CleanupSession, owned: Audited, deed: Deed): Promise<string> {
  const [triggers] = await session.query<{ heard: boolean }>(heardSql(owned));
  const unheardMs = triggers?.heard === true ? UNHEARD_MS : 0;
  for (let commitMs = COMMIT_MS; ;) {
    const startedMs = performance.now();
    const moment = await mark(session, owned, undefined, unheardMs + commitMs, deed);
    const tookMs = performance.now() - startedMs;
    if (tookMs <= commitMs) return moment;
    commitMs = Math.ceil(tookMs) + COMMIT_MS;
  }
}

async function mark(
  { query }: CleanupSession,
  owned: Audited,
  at: string | undefined,
  leadMs: number,
  deed: Deed,
): Promise<string> {
  const recorded = owned.audits === true ? [deedValue(deed)] : [];
  const [row] = await query<{ at: string }>(markEverybodySql(owned), [at ?? null, leadMs, ...recorded]);
  if (row === undefined) throw new Error('the mark was not set');
  return row.at;
}

/** From then on who logs in is let in, and transactions that began before it can be told. */
async function momentComes({ query }: CleanupSession, moment: string): Promise<void> {
  for (;;) {
    const [row] = await query<{ ms: number }>(UNTIL_SQL, [moment]);
    if (row === undefined || row.ms <= 0) return;
    await sleep(row.ms);
  }
}

/** @throws RevokeError MOMENT_AHEAD */
async function momentOf({ query }: CleanupSession, at: string | undefined): Promise<string> {
  const [row] = await query<{ at: string; ahead: boolean }>(MOMENT_SQL, [at ?? null]);
  if (row === undefined) throw new Error('the database told no time');
  if (!row.ahead) return row.at;
  throw new RevokeError(
    'MOMENT_AHEAD',
    `${at ?? 'now'} is still to come by the database's clock: whoever logged in until then would be refused. ` +
      'Give a time that has passed, or now.',
  );
}

const isZoned = ({ zoneSeconds }: RowDates): boolean => zoneSeconds !== undefined;

async function firstLive(
  { query }: CleanupSession,
  { extraSeconds, lateSeconds }: RowDates,
): Promise<string> {
  const [row] = await query<{ at: string }>(FIRST_LIVE_SQL, [extraSeconds + lateSeconds]);
  return row?.at ?? '-infinity';
}

/** A role that may not see other sessions' transactions sees none; the mark refuses what they bring all the same. */
async function olderTransactionsEnd({ query }: CleanupSession, moment: string): Promise<void> {
  const giveUpMs = performance.now() + CLAIM_LIFE_MS;
  while (performance.now() < giveUpMs) {
    const [row] = await query<{ found: boolean }>(OLDER_TRANSACTIONS_SQL, [moment]);
    if (row?.found !== true) return;
    await sleep(POLL_MS);
  }
}

import type { Deed } from '../rotation/deed.js';
import type { Owned } from './own-schema.js';

/**
 * The row of the audit, written by the statement that does the deed: both stand or neither does. A part of a WITH.
 */

/** As `deedValue` writes it. */
const DEED =
  'once text, deed uuid, kind text, scope text, actor text, reason text, user_key text, jti_digest text';

/** A deed as a parameter: the text of a JSON object. */
export function deedValue({ id, once, kind, scope, actor, reason, userKey, jtiDigest }: Deed): string {
  return JSON.stringify({
    once, deed: id, kind, scope, actor, reason: reason ?? null, user_key: userKey ?? null, jti_digest: jtiDigest ?? null,
  }); // prettier-ignore
}

/** Whether deeds are recorded here: the migration `audit` has been applied. */
export interface Audited extends Owned {
  readonly audits?: boolean;
}

/**
 * @param deed SQL of the parameter that holds it
 * @param won the CTE of the tokens that the statement ended; where there are none nothing is recorded
 */
export function auditTokens({ own }: Owned, deed: string, won: string): string {
  return `,
    audited AS (
      INSERT INTO ${own}.audit AS a (once, deed, kind, scope, actor, reason, user_key, jti_digest, tokens)
      SELECT d.*, w.tokens
        FROM (SELECT count(*)::int AS tokens FROM ${won}) w, jsonb_to_record(${deed}::jsonb) AS d (${DEED})
       WHERE w.tokens > 0
      ${AGAIN}
    )`;
}

/**
 * The same of many deeds about one token each. `i` has the columns n and deed, a text that may be NULL: that one is not
 * recorded; `target` and `blacklisted` tell whose row was won.
 */
export function auditEach({ own }: Owned): string {
  return `,
    audited AS (
      INSERT INTO ${own}.audit AS a (once, deed, kind, scope, actor, reason, user_key, jti_digest, tokens)
      SELECT d.*, 1
        FROM i
        JOIN target t ON t.n = i.n
        JOIN blacklisted b ON b.token_id = t.id
       CROSS JOIN LATERAL jsonb_to_record(i.deed::jsonb) AS d (${DEED})
       WHERE i.deed IS NOT NULL
       ORDER BY d.once
      ${AGAIN}
    )`;
}

/** @param marked the CTE of a mark that was set, with its time as `at` */
export function auditMark({ own }: Owned, deed: string, marked: string): string {
  return `,
    audited AS (
      INSERT INTO ${own}.audit AS a (once, deed, kind, scope, actor, reason, user_key, jti_digest, begun_before)
      SELECT d.*, m.at
        FROM ${marked} m, jsonb_to_record(${deed}::jsonb) AS d (${DEED})
      ${AGAIN}
    )`;
}

/**
 * One deed may take many statements, and one that was sent twice is recorded once. A mark says that more was ended than a
 * session.
 */
const AGAIN = `ON CONFLICT (once) DO UPDATE
         SET tokens = a.tokens + excluded.tokens,
             times = a.times + (a.deed <> excluded.deed)::int,
             last_at = CASE WHEN a.deed = excluded.deed THEN a.last_at ELSE excluded.last_at END,
             deed = excluded.deed,
             reason = coalesce(excluded.reason, a.reason),
             scope = CASE WHEN excluded.scope = 'session' THEN a.scope ELSE excluded.scope END,
             begun_before = greatest(a.begun_before, excluded.begun_before)`;

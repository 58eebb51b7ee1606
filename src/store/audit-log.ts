import type { Ask } from './database.js';
import { arrayLiteral } from './quote.js';
import type { Owned } from './own-schema.js';

/** A row of the audit. Times are ISO 8601, in UTC. */
export interface AuditRow {
  readonly id: string;
  readonly at: string;
  readonly lastAt: string;
  readonly times: number;
  readonly kind: string;
  readonly scope: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly user: string | null;
  readonly jtiDigest: string | null;
  readonly tokens: number;
  readonly begunBefore: string | null;
}

export interface AuditFilter {
  /** Any of these; undefined: everybody. */
  readonly users: readonly string[] | undefined;
  /** None: all. */
  readonly kinds: readonly string[];
  /** ISO 8601; undefined: all. */
  readonly since: string | undefined;
  /** Undefined: all. */
  readonly limit: number | undefined;
}

/** Rows of some hundred bytes each. */
const PAGE = 1_000;

const iso = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Whether there is one. */
export async function hasAudit(ask: Ask, { own }: Owned): Promise<boolean> {
  const [row] = await ask<{ there: boolean }>(`SELECT to_regclass('${own}.audit') IS NOT NULL AS there`);
  return row?.there === true;
}

/** The latest first, page by page: years of a large site don't fit the memory. Rejects with `pg`'s error. */
export async function* readAudit(ask: Ask, { own }: Owned, filter: AuditFilter): AsyncGenerator<AuditRow> {
  const text = `
    SELECT id::text, ${iso('at')} AS at, ${iso('last_at')} AS "lastAt", times, kind, scope, actor, reason, user_key AS "user",
           jti_digest AS "jtiDigest", tokens, ${iso('begun_before')} AS "begunBefore"
      FROM ${own}.audit
     WHERE (last_at, id) < ($1::timestamptz, $2::bigint)
       AND ($3::text[] IS NULL OR user_key = ANY ($3)) AND ($4::text[] = '{}' OR kind = ANY ($4))
       AND ($5::timestamptz IS NULL OR last_at >= $5)
     ORDER BY last_at DESC, id DESC
     LIMIT $6`;
  const { users, kinds, since, limit = Infinity } = filter;
  let cursor = ['infinity', '9223372036854775807'];
  for (let left = limit; left > 0; left -= PAGE) {
    const page = await ask<AuditRow>(text, [
      ...cursor,
      users === undefined ? null : arrayLiteral(users),
      arrayLiteral(kinds),
      since ?? null,
      Math.min(PAGE, left),
    ]);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    cursor = [last.lastAt, last.id];
  }
}

import type { WhoFacts } from '../rotation/standing.js';
import type { SiteSchema, TokenSchema } from './schema.js';
import { microsecondsSql } from './time-sql.js';
import { TABLES_THERE } from './token-tables.js';
import {
  existingUserIdOf,
  isInGoodStanding,
  passwordHashInput,
  whoColumns,
  whoJoin,
  whoNames,
} from './who-sql.js';

/**
 * Tokens that are answered without being spent: many in one statement, which reads.
 *
 * Parameters, each an array with one element a refresh: $1 jti, $2 user key, $3 start of the session (s). Where successors are recorded
 * also $4 issued at (us), $5 successor's jti, $6 successor's token, $7 end of its row (s). Last the password hash, where passwords
 * are compared.
 */
export interface ReissueRow extends WhoFacts {
  readonly n: number;
  readonly blacklisted: boolean;
  /** Token tables that the operator said are not there. */
  readonly tables_there: boolean;
  readonly now_us: string;
}

function input(schema: SiteSchema): string {
  const hash = passwordHashInput(schema, '$4');
  return `unnest($1::text[], $2::text[], $3::bigint[]${hash.array})
           WITH ORDINALITY AS i (jti, user_key, iat${hash.column}, n)${whoJoin(schema, 'i')}`;
}

const NOW = `${microsecondsSql('clock_timestamp()')} AS now_us`;

function isBlacklisted({ outstanding, blacklisted }: TokenSchema): string {
  return `EXISTS (SELECT 1 FROM ${outstanding} o JOIN ${blacklisted} b ON b.token_id = o.id WHERE o.jti = i.jti) AS blacklisted`;
}

/** Beside Django's tables. Writes nothing. */
export function judgeSql(schema: TokenSchema): string {
  return `
    SELECT i.n::int AS n, ${isBlacklisted(schema)},
           ${whoColumns(schema, 'i')},
           false AS tables_there, ${NOW}
      FROM ${input(schema)}`;
}

/**
 * Where there are no token tables: none is named. The catalog is asked once a statement whether that still holds, for from
 * the moment they are there a log-out may be in them.
 */
export function judgeTablelessSql(schema: SiteSchema): string {
  return `
    SELECT i.n::int AS n, false AS blacklisted,
           ${whoColumns(schema, 'i')},
           (SELECT ${TABLES_THERE}) AS tables_there, ${NOW}
      FROM ${input(schema)}`;
}

/** The same as `judgeSql`, and records the successors of the good ones: simplejwt does from 5.5 on. */
export function judgeAndRecordSql(schema: TokenSchema): string {
  const hash = passwordHashInput(schema, '$8');
  return `
  WITH judged AS (
    SELECT i.*, ${isBlacklisted(schema)},
           ${whoColumns(schema, 'i')}
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[]${hash.array})
           WITH ORDINALITY AS i (jti, user_key, iat, issued_us, next_jti, next_token, next_exp${hash.column}, n)${whoJoin(schema, 'i')}
  ),
  recorded AS (
    INSERT INTO ${schema.outstanding} (token, created_at, expires_at, user_id, jti)
    SELECT j.next_token, to_timestamp(0) + j.issued_us * interval '1 microsecond', to_timestamp(j.next_exp),
           ${existingUserIdOf(schema, 'j')}, j.next_jti
      FROM judged j
     WHERE NOT j.blacklisted AND ${isInGoodStanding(schema)}
    -- A statement whose answer was lost is sent again.
    ON CONFLICT (jti) DO NOTHING
  )
  SELECT j.n::int AS n, j.blacklisted, ${whoNames(schema, 'j')}, false AS tables_there, ${NOW}
    FROM judged j`;
}

import { askOf, type Database } from './database.js';
import type { ObservedDatabaseClock } from './database-clock.js';
import { classify, isRowSecurity, lacks, NotConnectedError, troubleOf, type Trouble } from './errors.js';
import { quoteIdentifier } from './quote.js';
import { isOtherSchema } from './own-change.js';
import { missingRights } from './rights.js';
import { type Need } from './privileges.js';
import type { SiteSchema, TokenSchema } from './schema.js';
import { MAY_CONFIRM_SQL } from './state-sql.js';
import { microsecondsSql } from './time-sql.js';
import { POSITION_SQL } from './timeline.js';
import { TABLES_THERE } from './token-tables.js';
import { columnsRead } from './user-source.js';

/** Of a site with token tables, or without. */
type AnySchema = TokenSchema | SiteSchema;

/** What /readyz says of the database. */
export type Health =
  | 'ok'
  | Trouble
  | 'tables missing'
  | 'columns missing'
  | 'tables locked'
  | 'grants missing'
  | 'rows hidden'
  /** Though the operator says that there are none. */
  | 'token tables there'
  /** The schema of ours that is worked with isn't this site's any more. */
  | 'other schema';

export interface HealthReading {
  readonly state: Health;
  /** See `POSITION_SQL`; null where it isn't known. */
  readonly position: string | null;
  /** Whether there is a synchronous standby, and whether the role may wait for it; undefined where nobody answered. */
  readonly standby: { readonly synchronous: boolean; readonly mayConfirm: boolean } | undefined;
}

/** Names all that a claim touches, the user table included, so that a dropped table or a missing grant is noticed by a probe and not by a nurse. */
function healthSql(schema: AnySchema, position: string): string {
  const { users } = schema;
  const tables = 'outstanding' in schema ? schema : undefined;
  const checked =
    users === undefined
      ? ''
      : `LEFT JOIN (SELECT ${columnsRead(users).map(quoteIdentifier).join(', ')} FROM ${users.name} LIMIT 0) u ON true`;
  return `
    SELECT ${microsecondsSql('clock_timestamp()')} AS now_us,
           -- On a standby it is on whatever was set. Else somebody has set it, for the role, the database or the server.
           current_setting('transaction_read_only') = 'on' AS read_only,
           ${position} AS position,
           current_setting('synchronous_standby_names') <> '' AS synchronous,
           ${MAY_CONFIRM_SQL} AS may_confirm${tables === undefined ? `,\n           ${TABLES_THERE} AS tables_there` : ''}
      FROM (SELECT) AS one
      ${tables === undefined ? '' : tokensSql(tables)}
      LEFT JOIN (SELECT user_key, at FROM ${schema.own}.revoked_before LIMIT 0) r ON true
      ${checked}`;
}

function tokensSql({ outstanding, blacklisted }: TokenSchema): string {
  return `LEFT JOIN (SELECT id, token, created_at, expires_at, user_id, jti FROM ${outstanding} LIMIT 0) o ON true
      LEFT JOIN (SELECT id, blacklisted_at, token_id FROM ${blacklisted} LIMIT 0) b ON true`;
}

interface HealthRow {
  readonly now_us: string;
  readonly read_only: boolean;
  readonly position: string | null;
  readonly synchronous: boolean;
  readonly may_confirm: boolean | null;
  /** Looked for where there should be none. */
  readonly tables_there?: boolean;
}

/** Asks the database whether it can do this program's work; the answer is a reading of its clock as well. */
export async function checkHealth(
  database: Database,
  schema: AnySchema,
  clock: ObservedDatabaseClock,
  monotonicMs: () => number,
  needs: readonly Need[] = ['serve'],
): Promise<Health> {
  return (await readHealth({ database, schema, clock, monotonicMs, needs }, { position: false })).state;
}

export interface HealthParts {
  readonly database: Database;
  readonly schema: AnySchema;
  readonly clock: ObservedDatabaseClock;
  readonly monotonicMs: () => number;
  /** What it is to be able to do. */
  readonly needs: readonly Need[];
}

/** @param wanted `position`: not every server tells it, nor every role */
export async function readHealth(
  { database, schema, clock, monotonicMs, needs }: HealthParts,
  wanted: { readonly position: boolean },
): Promise<HealthReading> {
  const failed = (state: Health): HealthReading => ({ state, position: null, standby: undefined });
  try {
    const sentAtMs = monotonicMs();
    const [row] = await database.query<HealthRow>('health', {
      name: wanted.position ? 'health_position' : 'health',
      text: healthSql(schema, wanted.position ? POSITION_SQL : 'NULL::text'),
    });
    if (row === undefined) return failed('tables missing');
    clock.observe(Number(row.now_us), sentAtMs);
    const standby = { synchronous: row.synchronous, mayConfirm: row.may_confirm === true };
    const state =
      row.tables_there === true
        ? 'token tables there'
        : 'outstanding' in schema && (await isOtherSchema(askOf(database), schema))
          ? 'other schema'
          : row.read_only
            ? 'read only'
            : (await missingRights(askOf(database), schema, needs)).length === 0
              ? 'ok'
              : 'grants missing';
    return { state, position: row.position, standby };
  } catch (error) {
    const trouble = troubleOf(error);
    // Commits may stall; a reading that was sent and doesn't return says that nothing goes any more.
    if (trouble === 'stalled' && !(error instanceof NotConnectedError)) return failed('unreachable');
    if (trouble !== undefined) return failed(trouble);
    switch (lacks(error)) {
      case 'right':
        return failed(isRowSecurity(error) ? 'rows hidden' : 'grants missing');
      case 'column':
        return failed('columns missing');
      case 'table':
        return failed('tables missing');
      case undefined:
        break;
    }
    switch (classify(error).kind) {
      case 'refused':
        return failed('tables missing');
      case 'contended':
        return failed('tables locked');
      default:
        return failed('unreachable');
    }
  }
}

import type { Database, Statement } from './database.js';
import { EVERYBODY } from './who-sql.js';
import type { SiteSchema, TokenSchema } from './schema.js';

/**
 * A point in the database's history: all transactions below `xid` were over when it was taken. A row whose version was
 * written by one of them stood then, and has not changed since.
 *
 * Not the whole snapshot: it lists top transactions alone, and what is written under a savepoint, as in each nested
 * `atomic()`, has an id of its own (https://www.postgresql.org/docs/current/functions-info.html, pg_visible_in_snapshot).
 */
export interface Horizon {
  readonly xid: string;
  /** What is read here may be older than what others have read already. */
  readonly isStandby: boolean;
}

/** Of what a judgement went by: whether it stood at the horizon. Null: there is nothing to tell it by. */
export interface Settled {
  readonly blacklisted: boolean | null;
  readonly user: boolean | null;
  readonly revocation: boolean | null;
}

export async function readHorizon(database: Database): Promise<Horizon | undefined> {
  const [row] = await database.query<{ xid: string; standby: boolean }>('health', HORIZON);
  return row === undefined ? undefined : { xid: row.xid, isStandby: row.standby };
}

// The older names of these functions are there from PostgreSQL 9 on, up to the newest.
const HORIZON: Statement = {
  name: 'shadow_horizon',
  text: `SELECT txid_snapshot_xmin(txid_current_snapshot())::text AS xid, pg_is_in_recovery() AS standby`,
};

/** Reads whether the rows of a token and of its user are those that stood at the horizon. */
export async function readSettled(
  database: Database,
  schema: SiteSchema | TokenSchema,
  { jti, userKey }: { readonly jti: string; readonly userKey: string | undefined },
  horizon: Horizon,
): Promise<Settled> {
  const [row] = await database.query<Settled>('lookup', {
    name: 'shadow_settled',
    text: settledSql(schema),
    values: [jti, userKey ?? null, horizon.xid],
  });
  return row ?? { blacklisted: null, user: null, revocation: null };
}

/** $1 jti, $2 user key, $3 the horizon. */
function settledSql(schema: SiteSchema | TokenSchema): string {
  const { users, own } = schema;
  const blacklisted =
    'outstanding' in schema
      ? `(SELECT ${wasThere('b')} FROM ${schema.outstanding} o JOIN ${schema.blacklisted} b ON b.token_id = o.id WHERE o.jti = $1)`
      : 'NULL::boolean';
  // A view has no xmin: of what it reads nobody knows when it changed.
  const user =
    users?.kind === 'table'
      ? `(SELECT ${wasThere('u')} FROM ${users.name} u WHERE u.${users.keyColumn} = $2::text::${users.keyType})`
      : 'NULL::boolean';
  return `
    SELECT ${blacklisted} AS blacklisted, ${user} AS "user",
           (SELECT bool_and(${wasThere('r')}) FROM ${own}.revoked_before r
             WHERE r.user_key IN ($2::text, '${EVERYBODY}')) AS revocation
      FROM (SELECT $3::text::bigint AS xid, txid_snapshot_xmax(txid_current_snapshot()) AS next,
                   $1::text AS jti, $2::text AS user_key) AS h`;
}

/** Whether this version of a row was written before the horizon. Rows have the lower 32 bits of a transaction's id. */
function wasThere(row: string): string {
  const id = `((h.next >> 32) << 32) + ${row}.xmin::text::bigint`;
  return `(CASE WHEN ${id} >= h.next THEN ${id} - 4294967296 ELSE ${id} END < h.xid)`;
}

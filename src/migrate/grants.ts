import { SchemaError } from '../store/errors.js';
import { quoteIdentifier } from '../store/quote.js';
import { grantStatement, missingRights, rightsNeeded, type Need, type Right } from '../store/rights.js';
import { readSchemaBy, readSiteSchema, type SiteSchema, type TokenSchema } from '../store/schema.js';
import { askSession, type Session } from './session.js';
import type { UserNames } from '../store/user-source.js';

/** Commands that a role may be given the rights for. `bench` talks HTTP; `migrate` is the owner's. */
export const GRANTED_COMMANDS = ['serve', 'cleanup', 'revoke', 'sessions', 'doctor'] as const;

export type GrantedCommand = (typeof GRANTED_COMMANDS)[number];

export interface Grant extends Pick<Right, 'privilege' | 'on' | 'name' | 'columns'> {
  /** `serve_async`: serve, where claims are kept in Redis and written behind. */
  readonly for: readonly Need[];
  /** The role has it already. */
  readonly held: boolean;
  readonly sql: string;
}

/** Plain data: it is what --json prints. */
export interface Grants {
  readonly database: string;
  readonly role: string;
  readonly roleExists: boolean;
  readonly grants: readonly Grant[];
  /** Why the user table isn't among them. */
  readonly usersUnread?: string;
}

/**
 * What a role needs on this database, by command. Changes nothing.
 *
 * @throws SchemaError
 */
export async function readGrants(
  session: Session,
  options: {
    readonly role: string | undefined;
    readonly users: UserNames;
    readonly commands: readonly GrantedCommand[];
    /** False: the site has no token tables. */
    readonly tokenTables: boolean;
  },
): Promise<Grants> {
  const ask = askSession(session);
  const [row] = await ask<{ database: string; role: string; there: boolean }>(
    `SELECT current_database()::text AS database, coalesce($1, current_user)::text AS role,
            EXISTS (SELECT FROM pg_roles WHERE rolname = coalesce($1, current_user)) AS there`,
    [options.role ?? null],
  );
  if (row === undefined) throw new Error('the server answered nothing about itself');
  const { schema, usersUnread } = await readSubject(session, options);
  const commands = options.commands.length === 0 ? GRANTED_COMMANDS : options.commands;
  const needs: Need[] = commands.flatMap((command) =>
    command === 'serve' ? (['serve', 'serve_async'] as const) : [command],
  );
  const rights = (await rightsNeeded(ask, schema)).flatMap((right) => {
    const wanted = right.for.filter((need) => needs.includes(need));
    return wanted.length === 0 ? [] : [{ ...right, for: wanted }];
  });
  const missing = row.there ? await missingRights(ask, schema, needs, row.role) : rights;
  return {
    database: row.database,
    role: row.role,
    roleExists: row.there,
    grants: rights.map((right) => ({
      privilege: right.privilege,
      on: right.on,
      name: right.name,
      columns: right.columns,
      for: right.for,
      held: !missing.some(({ oid, privilege }) => oid === right.oid && privilege === right.privilege),
      sql: grantStatement([right], row.role),
    })),
    ...(usersUnread === undefined ? {} : { usersUnread }),
  };
}

/** Without a user table all the rest is needed as well: who turned the check off needs no right on one. */
async function readSubject(
  session: Session,
  { users, tokenTables }: { readonly users: UserNames; readonly tokenTables: boolean },
): Promise<{ schema: TokenSchema | SiteSchema; usersUnread: string | undefined }> {
  const ask = askSession(session);
  const read = tokenTables ? readSchemaBy : readSiteSchema;
  try {
    return {
      schema: await read(ask, { ...users, userCheck: users.userCheck ?? 'auto' }),
      usersUnread: undefined,
    };
  } catch (error) {
    if (!(error instanceof SchemaError) || error.code !== 'USER_TABLE_MISSING') throw error;
    return {
      schema: await read(ask, { ...users, userCheck: 'off' }),
      usersUnread: error.message,
    };
  }
}

/** The statements as a script, each with what needs it. Pure. */
export function grantLines({ database, role, roleExists, grants, usersUnread }: Grants): string[] {
  const width = Math.max(0, ...grants.map(({ sql }) => sql.length));
  const named = (needs: readonly Need[]): string =>
    [...new Set(needs.map((need) => (need === 'serve_async' ? 'serve' : need)))].join(', ');
  return [
    `-- What carelink-tokens needs on the database ${database} as ${role}. To be run by the owner of the tables.`,
    '-- bench needs nothing (it talks HTTP); migrate needs the owner of the tables.',
    ...(roleExists ? [] : [`-- There is no such role yet: CREATE ROLE ${quoteIdentifier(role)} LOGIN;`]),
    ...(usersUnread === undefined ? [] : [`-- Nothing on a user table: ${usersUnread}`]),
    ...grants.map(({ sql, for: needs }) => `${sql.padEnd(width)} -- ${named(needs)}`),
    '-- Not needed, and better: with it cleanup and revoke see what sessions of other roles do, tell a backup from a request,',
    '-- see old snapshots and standbys that lag, and give way sooner. To be run by a superuser.',
    `-- GRANT pg_read_all_stats TO ${quoteIdentifier(role)};`,
  ];
}

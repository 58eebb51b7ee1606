import type { GrantedCommand } from '../granted-commands.js';
import { SchemaError } from '../store/errors.js';
import type { Ask } from '../store/database.js';
import { quoteIdentifier } from '../store/quote.js';
import { grantStatement, missingRights, rightsNeeded, type Right } from '../store/rights.js';
import { NEEDS, type Need } from '../store/privileges.js';
import { readSchemaBy, readSiteSchema, type SiteSchema, type TokenSchema } from '../store/schema.js';
import { askSession, type Session } from './session.js';
import type { UserNames } from '../store/user-source.js';

/** Without a word these: Django has a role of its own, as a rule. */
const BY_DEFAULT: readonly GrantedCommand[] = ['serve', 'cleanup', 'revoke', 'sessions', 'doctor', 'audit'];

/** What needs it, as it is called in a terminal. */
function commandOf(need: Need): Need {
  if (need === 'serve_async') return 'serve';
  return need === 'revoke_family' ? 'revoke' : need;
}

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
  /** For other roles, or for an option that few take. */
  readonly besides: readonly Besides[];
}

export interface Besides {
  readonly for: Need;
  readonly sql: string;
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
  const commands = options.commands.length === 0 ? BY_DEFAULT : options.commands;
  const needs: Need[] = NEEDS.filter((need) => commands.some((command) => command === commandOf(need)));
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
    besides: await readBesides(ask, schema, row.role, options.commands),
  };
}

/** What is granted to other roles, or not as a matter of course. */
async function readBesides(
  ask: Ask,
  schema: TokenSchema | SiteSchema,
  role: string,
  commands: readonly GrantedCommand[],
): Promise<Besides[]> {
  const rights = await rightsNeeded(ask, schema);
  const [tables] =
    'relations' in schema
      ? await ask<{ owner: string }>(
          `SELECT pg_get_userbyid(c.relowner)::text AS owner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = $2`,
          [schema.relations.outstanding.schema, schema.relations.outstanding.name],
        )
      : [];
  const of = (need: Need, to: string): Besides[] =>
    rights
      .filter((right) => right.for.includes(need) && (need === 'django' || right.privilege === 'DELETE'))
      .map((right) => ({ for: need, sql: grantStatement([right], to) }));
  const asked = (command: GrantedCommand): boolean => commands.length === 0 || commands.includes(command);
  return [
    ...(commands.length === 0 ? of('django', tables?.owner ?? role) : []),
    ...(asked('cleanup') ? of('audit_retention', role) : []),
  ];
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
export function grantLines({ database, role, roleExists, grants, usersUnread, besides }: Grants): string[] {
  const width = Math.max(0, ...grants.map(({ sql }) => sql.length));
  const named = (needs: readonly Need[]): string => [...new Set(needs.map(commandOf))].join(', ');
  return [
    `-- What carelink-tokens needs on the database ${database} as ${role}. To be run by the owner of the tables.`,
    '-- bench needs nothing (it talks HTTP); migrate needs the owner of the tables.',
    ...(roleExists ? [] : [`-- There is no such role yet: CREATE ROLE ${quoteIdentifier(role)} LOGIN;`]),
    ...(usersUnread === undefined ? [] : [`-- Nothing on a user table: ${usersUnread}`]),
    ...grants.map(({ sql, for: needs }) => `${sql.padEnd(width)} -- ${named(needs)}`),
    ...lines(
      besides.filter((one) => one.for === 'django' && !grants.some(({ sql }) => sql === one.sql)),
      "-- For Django's own code, which calls revoke_user(). Below is the owner of the token tables: put the role there that Django",
      '-- connects as, or run `carelink-tokens migrate grants django --role NAME`.',
    ),
    ...lines(
      besides.filter((one) => one.for === 'audit_retention'),
      '-- For cleanup --audit-retention, and for nothing else:',
    ),
    '-- Not needed, and better: with it cleanup and revoke see what sessions of other roles do, tell a backup from a request,',
    '-- see old snapshots and standbys that lag, and give way sooner. To be run by a superuser.',
    `-- GRANT pg_read_all_stats TO ${quoteIdentifier(role)};`,
  ];
}

/** Commented out: whoever runs the script runs none of them. */
function lines(besides: readonly Besides[], ...heading: string[]): string[] {
  return besides.length === 0 ? [] : [...heading, ...besides.map(({ sql }) => `-- ${sql}`)];
}

import type { TokenSchema } from './schema.js';
import { columnsRead } from './user-source.js';

/**
 * What is done with a database. `serve_async`: claims of Redis are written behind; in sync mode its UPDATE puts off the
 * date of a row whose token outlives it, and a server that lacks it starts and says so. `revoke_family`: revoke, of anything but
 * whole users. `audit_retention`: cleanup, with that option. `django`: the site's own code, which calls `revoke_user`.
 */
export const NEEDS = [
  'serve',
  'serve_async',
  'cleanup',
  'audit_retention',
  'revoke',
  'revoke_family',
  'sessions',
  'doctor',
  'audit',
  'django',
] as const;

export type Need = (typeof NEEDS)[number];

export type Privilege = 'USAGE' | 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE' | 'EXECUTE';

export type Privileges = Partial<Record<Need, readonly Privilege[]>>;

const READ = ['SELECT'] as const;
const ADD = ['SELECT', 'INSERT'] as const;
const KEEP = ['SELECT', 'INSERT', 'UPDATE'] as const;

/**
 * What each command reads and writes. UPDATE where a row is locked, too (FOR UPDATE); SELECT where ON CONFLICT looks.
 * The cleanup inserts a blacklist row now and then and takes it away again: so it finds out who is writing one.
 */
const OF_DJANGO: Readonly<Record<'outstanding' | 'blacklisted', Privileges>> = {
  outstanding: {
    serve: ADD,
    serve_async: ['UPDATE'],
    revoke: KEEP,
    cleanup: ['SELECT', 'UPDATE', 'DELETE'],
    sessions: READ,
    doctor: READ,
  },
  blacklisted: {
    serve: ADD,
    revoke: ADD,
    cleanup: ['SELECT', 'INSERT', 'DELETE'],
    sessions: READ,
    doctor: READ,
  },
};

/** Tables of ours; those that a migration hasn't made yet are passed over. */
const OF_OURS: Readonly<Record<string, Privileges>> = {
  revoked_before: { serve: KEEP, revoke: KEEP, sessions: READ, doctor: READ },
  home: { serve: READ, revoke: READ, cleanup: READ, sessions: READ, doctor: READ, audit: READ },
  dead_letters: { serve: READ, serve_async: KEEP, revoke_family: READ, sessions: READ, doctor: READ },
  identity: { serve: READ, doctor: READ },
  cleanup_lease: { cleanup: KEEP },
  migrations: { doctor: READ },
};

/** A server that began before there was one doesn't write it: it is not to be called unfit for that. */
const AUDIT: Privileges = {
  serve: KEEP,
  revoke: KEEP,
  audit: READ,
  audit_retention: ['SELECT', 'DELETE'],
};

/** What the site's own code calls. */
export const FUNCTIONS: Readonly<Record<string, readonly Need[]>> = {
  'revoke_user(text, text)': ['django'],
  'revoke_user(bigint, text)': ['django'],
  'revoke_user(uuid, text)': ['django'],
};

export interface WantedRights {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly string[];
  readonly privileges: Privileges;
  /** Who looks which id comes next. */
  readonly readsSequences: readonly Need[];
}

/** Of a site without token tables there are none to be granted. */
export type RightsSchema = Pick<TokenSchema, 'users' | 'own' | 'audits'> &
  Partial<Pick<TokenSchema, 'relations'>>;

/** Tables of ours, with what is needed of them. */
export const oursOf = ({ audits }: Pick<RightsSchema, 'audits'>): Readonly<Record<string, Privileges>> =>
  audits === true ? { ...OF_OURS, audit: AUDIT } : OF_OURS;

/** All tables, with what is needed of them. */
export function wantedOf(schema: RightsSchema): WantedRights[] {
  const { relations, users, own } = schema;
  const whole = (relation: { schema: string; name: string }, privileges: Privileges): WantedRights => ({
    schema: relation.schema,
    name: relation.name,
    columns: [],
    privileges,
    readsSequences: [],
  });
  const ofDjango = (relation: { schema: string; name: string }, privileges: Privileges): WantedRights => ({
    ...whole(relation, privileges),
    readsSequences: ['doctor'],
  });
  return [
    ...(relations === undefined
      ? []
      : [
          ofDjango(relations.outstanding, OF_DJANGO.outstanding),
          ofDjango(relations.blacklisted, OF_DJANGO.blacklisted),
        ]),
    // Only what is read of it: a user table holds passwords.
    ...(users === undefined
      ? []
      : [
          {
            ...whole(users.relation, { serve: READ, revoke: READ, sessions: READ, doctor: READ }),
            columns: columnsRead(users),
          },
        ]),
    ...Object.entries(oursOf(schema)).map(([name, privileges]) => whole({ schema: own, name }, privileges)),
  ];
}

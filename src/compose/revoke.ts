import type { RevokeSettings } from '../config/settings.js';
import { sharedCleanupSession } from '../cleanup/session.js';
import { reconnecting } from '../revoke/reconnecting.js';
import { createCodec } from '../jwt/create-codec.js';
import { countIssuedBefore, markIssuedBefore, revokeIssuedBefore } from '../revoke/everybody.js';
import { RevokeError } from '../revoke/errors.js';
import { countFamily, findMember, findSession, revokeFamily, type Member } from '../revoke/family.js';
import { follow, isKnownToBeOver, ofLostSession } from '../revoke/followed.js';
import type { PacedOptions, Tally } from '../revoke/paced.js';
import { countOfUser, findUser, markUser, revokeUser } from '../revoke/user.js';
import { operatorDeed, type Deed } from '../rotation/deed.js';
import { isRefusal, readSubject, seconds } from '../rotation/claims.js';
import { Walks } from '../rotation/walks.js';
import type { PgDatabase } from '../store/pool.js';
import { PgRevocations } from '../store/revocations.js';
import { ORDINARY_DATES, readRowDates } from '../store/row-dates.js';
import { askOf } from '../store/database.js';
import { checkRights } from '../store/rights.js';
import { AUDIT_PENDING, readSchema, readSiteSchema, type SiteSchema } from '../store/schema.js';
import { HOME_UNWRITTEN } from '../store/token-tables.js';
import { fittingUserKey } from '../store/user-key.js';
import { encodable } from '../store/encoding.js';
import { onCommandDatabase } from './command-database.js';
import { commandActor } from './actor.js';
import { chainOf } from './tokens.js';
import { lettersOf } from './unwritten.js';

/** What is to be revoked: how much it is, and doing it. */
export interface Revocation {
  /** What can't be known of the target; undefined: nothing. */
  readonly unknown?: string;
  /** Live tokens that have a row. */
  count(): Promise<number>;
  run(): Promise<Tally>;
}

export type RevokeHooks = Pick<PacedOptions, 'signal' | 'onBatch' | 'onPressure'> & {
  /** A sentence of what is no error, and may become one. */
  readonly onWarning: (sentence: string) => void;
};

/** A count reads a table of ten million rows; batches have a limit of their own. */
const STATEMENT_TIMEOUT_MS = 5 * 60_000;

/**
 * Does the work of the command `revoke` on its database.
 *
 * @throws CommandError with what to do about it
 */
export async function onRevocation<T>(
  settings: RevokeSettings,
  hooks: RevokeHooks,
  work: (revocation: Revocation) => Promise<T>,
): Promise<T> {
  const { tokenTables } = settings;
  return onCommandDatabase(
    settings.database,
    {
      command: 'revoke',
      size: 2,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      migrated: { createTables: tokenTables, tokenTables },
    },
    async (database, ownKey) =>
      work(await revocationOf(settings, { ...hooks, pace: settings.pace }, database, ownKey)),
  );
}

async function revocationOf(
  settings: RevokeSettings,
  options: PacedOptions & Pick<RevokeHooks, 'onWarning'>,
  database: PgDatabase,
  ownKey: string | undefined,
): Promise<Revocation> {
  const { target, users } = settings;
  if (!settings.tokenTables) return revocationByMark(settings, database, options);
  const schema = await readSchema(database, {
    ...users,
    slidingEnd: settings.tokens.names.slidingEnd,
    mayLackUsers: true,
  });
  await checkRights(askOf(database), schema, ['revoke']);
  if (schema.homeUnwritten) options.onWarning(HOME_UNWRITTEN);
  checkAudit(settings, schema, options);
  const session = reconnecting(sharedCleanupSession(database), options.signal);
  const dates = (await readRowDates(session.query, schema)) ?? ORDINARY_DATES;
  const monotonicMs = (): number => performance.now();
  const revocations = new PgRevocations({
    database,
    schema,
    dates: () => dates,
    lanes: 1,
    connections: 1,
    monotonicMs,
    random: Math.random,
  });
  switch (target.kind) {
    case 'issued_before': {
      const at = target.at === 'now' ? undefined : target.at;
      return {
        count: () => countIssuedBefore(session, schema, dates, at),
        run: () =>
          revokeIssuedBefore(session, schema, dates, at, deedOf(settings, 'revoke_everybody'), options),
      };
    }
    case 'user': {
      const userKey = userKeyOf(schema, target.userKey);
      const known = await findUser(session, schema, userKey);
      return {
        ...(known ? {} : unknownUser(userKey)),
        count: () => countOfUser(session, schema, dates, userKey),
        run: () =>
          revokeUser(session, schema, dates, userKey, deedOf(settings, 'revoke_user', { userKey }), options),
      };
    }
    case 'session':
    case 'jti':
    case 'family': {
      const { keys } = settings;
      const signingKey = keys?.signingKey ?? ownKey;
      if (keys === undefined || signingKey === undefined) throw new Error('settings without keys');
      const member =
        target.kind === 'family'
          ? await readMember(settings, signingKey, target.token, (key) => fittingUserKey(schema, key))
          : target.kind === 'jti'
            ? await findMember(session, schema, target.jti)
            : await findSession(session, schema, target.id);
      const chain = chainOf(keys, signingKey);
      const { jti, userKey } = member;
      const deed = deedOf(settings, DEED_OF[target.kind], { userKey, jtiDigest: chain.digestOf(jti) });
      const context = {
        chain,
        revocations,
        emit: () => undefined,
        walks: new Walks({ requestTimeoutMs: 0, monotonicMs }),
      };
      // Not asked for --user, which needs no letters.
      await checkRights(askOf(database), schema, ['revoke_family']);
      const letters = await lettersOf(database, schema, userKey);
      const { jtis, last } = await follow(context, session, schema, jti, letters);
      return {
        count: () => countFamily(context, member),
        async run() {
          const revoked = await revokeFamily(context, member, deed);
          if (revoked === 0 && target.kind === 'session') {
            const known = { userKey, digests: jtis.map((one) => chain.digestOf(one)), lastId: last?.id };
            if (!(await isKnownToBeOver(session, schema, known))) throw ofLostSession(target.id);
          }
          return { revoked, batches: 1, retries: 0, interrupted: false };
        },
      };
    }
  }
}

/** Without token tables nothing but the marks is written: servers compare each token with them. */
async function revocationByMark(
  settings: RevokeSettings,
  database: PgDatabase,
  hooks: Pick<RevokeHooks, 'onWarning' | 'signal'>,
): Promise<Revocation> {
  const { target, users } = settings;
  const ask = askOf(database);
  const schema = await readSiteSchema(ask, { ...users, mayLackUsers: true });
  await checkRights(ask, schema, ['revoke']);
  checkAudit(settings, schema, hooks);
  const session = reconnecting(sharedCleanupSession(database), hooks.signal);
  const count = (): Promise<number> => Promise.resolve(0);
  const marked: Tally = { revoked: 0, batches: 0, retries: 0, interrupted: false };
  if (target.kind === 'user') {
    const userKey = userKeyOf(schema, target.userKey);
    const known = await findUser(session, schema, userKey);
    return {
      ...(known ? {} : unknownUser(userKey)),
      count,
      run: () =>
        markUser(session, schema, userKey, deedOf(settings, 'revoke_user', { userKey })).then(() => marked),
    };
  }
  if (target.kind !== 'issued_before') throw new Error('settings of one token, without token tables');
  const at = target.at === 'now' ? undefined : target.at;
  return {
    count,
    run: () => markIssuedBefore(session, schema, at, deedOf(settings, 'revoke_everybody')).then(() => marked),
  };
}

const DEED_OF = { session: 'revoke_session', jti: 'revoke_token', family: 'revoke_family' } as const;

function deedOf(
  { reason }: RevokeSettings,
  kind: Deed['kind'],
  of: { readonly userKey?: string | undefined; readonly jtiDigest?: string } = {},
): Deed {
  const scope = kind === 'revoke_everybody' ? 'everybody' : kind === 'revoke_user' ? 'user' : 'session';
  const { userKey, jtiDigest } = of;
  return operatorDeed({ kind, scope, actor: commandActor(), reason, userKey, jtiDigest });
}

/** @throws RevokeError REASON_UNFIT */
function checkAudit(
  { reason }: RevokeSettings,
  { audits, encoding }: SiteSchema,
  { onWarning }: Pick<RevokeHooks, 'onWarning'>,
): void {
  if (audits !== true) onWarning(AUDIT_PENDING);
  if (reason !== undefined && !encodable(encoding, reason))
    throw new RevokeError(
      'REASON_UNFIT',
      `The database's encoding, ${encoding}, has no such characters as --reason has. Write it without them.`,
    );
}

/** @throws RevokeError USER_ID_UNFIT */
function userKeyOf(schema: SiteSchema, given: string): string {
  const userKey = fittingUserKey(schema, given);
  if (userKey !== undefined) return userKey;
  throw new RevokeError(
    'USER_ID_UNFIT',
    `${given} can't be the id of a user: here it is of the type ${schema.users?.keyType ?? schema.userKeyType}.`,
  );
}

function unknownUser(userKey: string): { readonly unknown: string } {
  return { unknown: `whether there is a user ${userKey}: users are not checked here` };
}

/**
 * The token of a file. Its signature is checked, for its user and its jti are acted on; that it has expired is no
 * reason to leave its family alive, so it is judged by the second in which it was issued.
 *
 * @throws RevokeError TOKEN_UNFIT
 */
async function readMember(
  settings: RevokeSettings,
  signingKey: string,
  token: string,
  fitting: (key: string) => string | undefined,
): Promise<Member> {
  const { keys, tokens } = settings;
  if (keys === undefined) throw new Error('settings without keys');
  const { codec } = await createCodec({ ...keys, ...tokens, signingKey, leewaySeconds: 0 });
  const verdict = await codec.verify(token, (issuedAt(token) ?? 0) * 1_000_000);
  const subject = verdict.ok ? readSubject(verdict.claims, tokens.names, 'refresh') : undefined;
  if (subject === undefined || isRefusal(subject)) {
    throw new RevokeError(
      'TOKEN_UNFIT',
      'What the file of --family holds is no refresh token that was signed with these keys. ' +
        'Is the key the one that the servers use (CARELINK_SIGNING_KEY, --verifying-key-file, --algorithm)?',
    );
  }
  const userKey = subject.userKey === undefined ? undefined : fitting(subject.userKey);
  return { kind: 'token', ...subject, userKey, token };
}

/** Read before the signature is checked, and only to choose the moment of that check. */
function issuedAt(token: string): number | undefined {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
    const claims = JSON.parse(payload) as { iat?: unknown };
    return seconds(claims.iat);
  } catch {
    return undefined;
  }
}

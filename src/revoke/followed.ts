import type { CleanupSession } from '../cleanup/session.js';
import type { Claim } from '../rotation/ports.js';
import type { FoundToken } from '../rotation/revocation-ports.js';
import type { RevokeContext } from '../rotation/revoke.js';
import { longestLine } from '../rotation/walk.js';
import type { TokenSchema } from '../store/schema.js';
import { RevokeError } from './errors.js';

/** Descendants looked up at once, and how often: as far as a revocation follows a family. */
const WINDOW = 1_024;
const MAX_WINDOWS = 16;

/** A rotation that was answered and that the database refused to write (carelink.dead_letters). */
export type Letter = Pick<Claim, 'jti'>;

/** What is known of a family before anything is revoked. */
export interface Followed {
  /** From the token that was named on to the last one that has a row. */
  readonly jtis: readonly string[];
  readonly last: FoundToken | undefined;
}

/**
 * Follows a family as far as rows lead, and refuses where a live token of it would be missed without a word. Changes nothing.
 *
 * @param letters of the token's user
 * @throws RevokeError DEAD_LETTER | CHAIN_KEY_UNFIT
 */
export async function follow(
  { chain, revocations }: Pick<RevokeContext, 'chain' | 'revocations'>,
  session: CleanupSession,
  schema: TokenSchema,
  jti: string,
  letters: readonly Letter[],
): Promise<Followed> {
  const unwritten = new Set(letters.map((letter) => letter.jti));
  const jtis = [jti];
  let [last] = await revocations.find([jti], Infinity);
  for (let window = 0, at = jti; window < MAX_WINDOWS; window++) {
    const lines = chain.descendantsOf(at, WINDOW);
    if ([at, ...lines.flat()].some((one) => unwritten.has(one))) throw ofLetter();
    const rows = await revocations.find(lines.flat(), Infinity);
    const { line } = longestLine(lines, new Map(rows.map((token) => [token.jti, token])));
    const tip = line.at(-1);
    if (tip === undefined) {
      if (last?.blacklisted === true && (await isRotated(session, schema, last.id))) throw ofChainKey();
      break;
    }
    jtis.push(...line.map((token) => token.jti));
    last = tip;
    at = tip.jti;
  }
  return { jtis, last };
}

/** The mark of a rotation of ours (design rule 2), which is told without any key. $1 row id. */
async function isRotated(
  session: CleanupSession,
  { outstanding, blacklisted }: TokenSchema,
  id: string,
): Promise<boolean> {
  const [row] = await session.query<{ rotated: boolean }>(
    `SELECT EXISTS (
       SELECT FROM ${blacklisted} b
         JOIN ${outstanding} o ON o.id = b.token_id
         JOIN ${outstanding} s ON s.user_id = o.user_id AND s.created_at = b.blacklisted_at AND s.id <> o.id
        WHERE b.token_id = $1::bigint) AS rotated`,
    [id],
  );
  return row?.rotated === true;
}

/**
 * Whether the audit tells that a session was ended: its rows alone can't, for Django blacklists a token that it refreshes as it
 * does one that it logs out.
 *
 * @param digests of its tokens' jtis
 */
export async function isKnownToBeOver(
  session: CleanupSession,
  { audits, own, outstanding }: TokenSchema,
  { userKey, digests, lastId }: { readonly userKey: string | undefined; readonly digests: readonly string[]; readonly lastId: string | undefined }, // prettier-ignore
): Promise<boolean> {
  if (audits !== true || userKey === undefined) return false;
  const [row] = await session.query<{ over: boolean }>(
    `SELECT EXISTS (SELECT FROM ${own}.audit a WHERE a.user_key = $1 AND a.jti_digest = ANY ($2::text[]))
         OR EXISTS (SELECT FROM ${own}.audit a JOIN ${outstanding} o ON o.id = $3::bigint
                     WHERE (a.user_key = $1 OR a.user_key IS NULL) AND a.scope IN ('user', 'everybody')
                       AND a.begun_before > o.created_at) AS over`,
    [userKey, digests, lastId ?? null],
  );
  return row?.over === true;
}

export function ofLostSession(id: string): RevokeError {
  return new RevokeError(
    'SESSION_LOST',
    `Nothing was revoked. The last token of session ${id} that is known is spent, and the audit tells of no log-out: Django itself may ` +
      'have refreshed it, and then the session goes on under a token that is not found from here. Look for it with ' +
      '`carelink-tokens sessions --user`, or end all sessions of its user with `revoke --user`.',
  );
}

function ofLetter(): RevokeError {
  return new RevokeError(
    'DEAD_LETTER',
    'Nothing was revoked. A refresh of this session was answered, and the database refused its row: the newest token has none, and would ' +
      'live on. See `carelink-tokens dead-letters`: mend what refuses the row, `carelink-tokens dead-letters retry`, and run this again. What does not ' +
      'wait for that: `carelink-tokens revoke --user` ends all sessions of the user.',
  );
}

function ofChainKey(): RevokeError {
  return new RevokeError(
    'CHAIN_KEY_UNFIT',
    'Nothing was revoked. A server of ours has refreshed this session, and the chain key of this command leads to another token than ' +
      'the one that it handed out. Give the keys of the servers: CARELINK_CHAIN_KEY, all of its list, or else CARELINK_SIGNING_KEY. ' +
      'What needs no key: `carelink-tokens revoke --user` ends all sessions of the user.',
  );
}

import type { Chain } from './chain.js';
import type { FoundToken, RevocationRows } from './revocation-ports.js';
import type { WalkTime } from './walk-time.js';

/** Live tokens of a user that are held against a family: more than anybody's sessions. */
const MAX_LIVE = 1_000;

/**
 * Whether the family of a token after which nothing stands may go on all the same: what followed it can have expired and
 * been deleted. Else it was logged out, or Django rotated it.
 *
 * @param successorLifeSeconds of one that is made now
 */
export function mayGoOnBeyond(
  { expired, closedForSeconds, lifeSeconds }: FoundToken,
  successorLifeSeconds: number,
): boolean {
  const lifeOfNext = Math.min(lifeSeconds ?? Infinity, successorLifeSeconds);
  return expired || (closedForSeconds !== null && closedForSeconds >= lifeOfNext);
}

export interface Gap {
  readonly userKey: string | undefined;
  /** The last token before it. */
  readonly from: string;
  /** How many generations it may be wide. */
  readonly room: number;
  /** Called before many ids are computed. */
  readonly begin: () => Promise<void>;
}

/**
 * Finds where a family goes on: at those of the user's live tokens that were derived from the last one that stands.
 * `broken`: it may go on and can't be found, for the chain key may have been changed where nothing stands any more.
 *
 * @throws GivenUp, StoreUnavailableError
 */
export async function acrossGap(
  { chain, revocations }: { readonly chain: Chain; readonly revocations: RevocationRows },
  time: WalkTime,
  { userKey, from, room, begin }: Gap,
): Promise<{ kind: 'found'; jtis: string[] } | { kind: 'closed_elsewhere' | 'broken' }> {
  if (userKey === undefined) return { kind: 'closed_elsewhere' };
  const tokens = await time.ask((deadlineMs) => revocations.liveTokensOf(userKey, MAX_LIVE + 1, deadlineMs));
  if (tokens.length === 0) return { kind: 'closed_elsewhere' };
  if (tokens.length > MAX_LIVE) return { kind: 'broken' };
  await begin();
  const live = new Set(tokens);
  for (let keyIndex = 0; keyIndex < chain.keys; keyIndex++) {
    const jtis: string[] = [];
    await time.compute(chain, from, room, keyIndex, (jti) => {
      if (live.has(jti)) jtis.push(jti);
      return jtis.length === live.size;
    });
    if (jtis.length > 0) return { kind: 'found', jtis };
  }
  return { kind: chain.keys > 1 ? 'broken' : 'closed_elsewhere' };
}

import { IN_PROGRESS, judgeByRows, type Settled } from './by-rows.js';
import { orUnavailable, UNAVAILABLE, unavailableBy, type RotationContext } from './context.js';
import { rememberDoubt, settleDoubt } from './in-doubt.js';
import type { RefreshOutcome } from './outcomes.js';
import { pair, prepare } from './pairs.js';
import type { Claim, Claimed, ClaimResult, Hint, Learned } from './ports.js';
import { refused } from './refused.js';
import type { Request } from './request.js';
import { ending } from './span.js';

/**
 * A claim is tried again where its time was ahead of the database's clock, or where the rows changed between a
 * lost claim and the look at them. Each of these needs a rare event; three in a row mean something is wrong.
 */
const MAX_ATTEMPTS = 3;

/** A new pair is made under the newest chain key; a replay under the one that made its successor. */
const NEWEST_KEY = 0;

/** Its successor was handed out and may be in use: refused, and nobody is accused. */
const LOST: Settled = { outcome: { kind: 'blacklisted' }, learned: undefined };

/** Takes the lock, claims the token, and hands out the pair of its claim: a new one, or the one it had. */
export async function rotate(context: RotationContext, request: Request): Promise<RefreshOutcome> {
  const { subject, trace, span } = request;
  const { cache } = context;
  const offered = cache.takesClaims ? await prepare(context, request, undefined) : undefined;
  const asking = span?.part('cache');
  const beginning = cache.begin(subject, offered?.claim);
  const begun = beginning instanceof Promise ? await beginning : beginning;
  asking?.end(begun.kind === 'begun' ? (begun.hint?.state ?? 'unknown') : begun.kind);
  if (begun.kind === 'full') return UNAVAILABLE;
  if (begun.kind === 'claimed' && offered !== undefined) {
    context.emit({ kind: 'cache_lookup', result: 'active' });
    const { claim, claims } = offered;
    return pair(context, request, claims, claim.successor, claim.claimedAtUs, NEWEST_KEY);
  }
  if (begun.kind === 'claimed') throw new Error('a cache took a claim that was not offered');
  if (begun.kind === 'busy') {
    trace.met = true;
    context.emit({ kind: 'cache_lookup', result: 'busy' });
    if (context.settings.graceUs === 0) return IN_PROGRESS;
    await begun.settled;
    return orUnavailable(() => followInFlight(context, request));
  }

  // Another instance's doubt is as good as an own one: the same claim is repeated, and its marker tells.
  if (begun.doubtAtUs !== undefined) context.doubtful.remember(subject.jti, begun.doubtAtUs);

  let learned: Learned | undefined;
  try {
    const state = begun.hint?.state ?? 'unknown';
    context.emit({ kind: 'cache_lookup', result: state === 'claimed' ? 'spent' : state });
    const inDoubt = begun.offerInDoubt === true ? offered?.claim : undefined;
    const settled = await settle(context, request, begun.hint, inDoubt);
    learned = settled.learned;
    return settled.outcome;
  } catch (error) {
    return unavailableBy(error);
  } finally {
    const finished = cache.finish(subject, learned);
    if (finished instanceof Promise) await finished;
  }
}

/**
 * Claims the token unless it is known to be spent; whatever else it turns out to be, its rows decide.
 *
 * @param inDoubt a claim that the cache was offered and may have taken: the first to try is the very same
 */
async function settle(
  context: RotationContext,
  request: Request,
  hint: Hint | undefined,
  inDoubt: Claim | undefined,
): Promise<Settled> {
  const { subject } = request;
  let rowId = hint?.state === 'active' ? hint.rowId : undefined;
  if (rowId === undefined) request.trace.read = true;
  if (hint?.state === 'claimed') {
    const refused = await writeDown(context, request, hint.claimed);
    if (refused !== undefined) return { outcome: refused, learned: undefined };
    const judged = await judgeByRows(context, request, { overlapped: false, ownClaimAtUs: undefined });
    if (judged !== 'unspent') return judged;
  }
  const doubtAtUs = context.doubtful.claimedAtUs(subject.jti);
  if (hint?.state === 'spent' || doubtAtUs !== undefined) {
    const judged = await judgeByRows(context, request, { overlapped: false, ownClaimAtUs: undefined });
    if (judged !== 'unspent') return judged;
    // Most likely it never ran; and a pair as old as it would come with a dead access token.
    const lostUs = 2 * context.settings.requestTimeoutMs * 1000;
    if (doubtAtUs !== undefined && request.arrivedAtUs - doubtAtUs > lostUs) {
      context.doubtful.renew(subject.jti);
    }
  }
  const wasSpent = hint?.state === 'spent' || hint?.state === 'claimed';
  // The rows that said so are lost: by a failover, by a restore, or by whoever deleted them (rule 36).
  if (wasSpent && !context.doubtful.has(subject.jti) && inDoubt === undefined) return LOST;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const again = attempt === 0 ? inDoubt : undefined;
    if (again === undefined && !context.store.takes(rowId !== undefined, request.deadlineMs)) break;
    const preparing = prepare(context, request, rowId, again);
    const pending = preparing instanceof Promise ? await preparing : preparing;
    const result = await ending(
      request.span?.part('claim'),
      context.store.claim(pending.claim, request.deadlineMs),
      kindOf,
    );
    switch (result.kind) {
      case 'won': {
        settleDoubt(context, subject.jti);
        const { claimedAtUs, successor } = pending.claim;
        const { freshClaims } = result;
        const paired = pair(
          context,
          request,
          pending.claims,
          successor,
          claimedAtUs,
          NEWEST_KEY,
          freshClaims,
        );
        const outcome = paired instanceof Promise ? await paired : paired;
        const learned = {
          spent: subject.jti,
          successor: { jti: successor.jti, rowId: result.successorRowId, claimedAtUs },
        };
        return { outcome, learned };
      }
      case 'refused':
        return { outcome: refused(context, subject, result.standing), learned: undefined };
      case 'unavailable':
        if (result.sent || inDoubt !== undefined) await rememberDoubt(context, inDoubt ?? pending.claim);
        return { outcome: UNAVAILABLE, learned: undefined };
      case 'ahead':
        // A claim in doubt would carry its time again, and be ahead again, until a clock that was set back gets there.
        context.doubtful.renew(subject.jti);
        break;
      case 'spent':
      case 'successor_stands': {
        const overlapped = result.kind === 'spent' && result.overlapped;
        if (overlapped) request.trace.met = true;
        // One that was sent once, and told that it lost, lost: a marker of the same microsecond is another instance's.
        const mayBeOurs = result.kind === 'successor_stands' || result.repeated || again !== undefined;
        const ownClaimAtUs = mayBeOurs ? pending.claim.claimedAtUs : undefined;
        const judged = await judgeByRows(context, request, { overlapped, ownClaimAtUs }).catch(
          async (error: unknown) => {
            // It may be our own claim that stands, sent twice: only the rows tell, and they couldn't be read.
            if (mayBeOurs) await rememberDoubt(context, pending.claim);
            throw error;
          },
        );
        if (judged !== 'unspent') return judged;
        break;
      }
    }
    rowId = undefined;
  }
  return { outcome: UNAVAILABLE, learned: undefined };
}

function kindOf({ kind }: ClaimResult): string {
  return kind;
}

/** A duplicate that waited for the one in flight: it gets what the rows give it, and never claims by itself. */
async function followInFlight(context: RotationContext, request: Request): Promise<RefreshOutcome> {
  const claimed = await context.cache.claimed(request.subject);
  const refused = claimed && (await writeDown(context, request, claimed));
  if (refused !== undefined) return refused;
  const judged = await judgeByRows(context, request, { overlapped: true, ownClaimAtUs: undefined });
  return judged === 'unspent' ? IN_PROGRESS : judged.outcome;
}

/**
 * The token was claimed in the cache, by whomever: its claim can be computed again, and is written before it's judged.
 * Returns an answer where the database refuses to write it: the token is spent all the same, though there are no rows to
 * judge it by. Inside the grace its client is to repeat, for the pair may be its own.
 */
async function writeDown(
  context: RotationContext,
  request: Request,
  claimed: Claimed,
): Promise<RefreshOutcome | undefined> {
  const { claim } = await prepare(context, request, undefined, claimed);
  const written = await context.outbox?.write(claim, request.deadlineMs);
  if (written !== 'refused') return undefined;
  const { graceUs } = context.settings;
  const ageUs = request.arrivedAtUs - claimed.claimedAtUs;
  if (graceUs === 0) return ageUs <= 0 ? IN_PROGRESS : { kind: 'blacklisted' };
  return ageUs <= graceUs ? UNAVAILABLE : { kind: 'blacklisted' };
}

import { backoffMs } from './backoff.js';
import type { Answer, Endpoint } from './endpoint.js';
import { signedOut, TokenError } from './errors.js';
import { ENDED } from './ledger.js';
import { exclusively } from './lock.js';
import type { Session } from './session.js';
import { catchUp, type TabParts } from './tab.js';

/** How long to wait for a lock: a frozen tab may hold it, and the server's 429 guards those who go on without. */
const LOCK_MS = 3_000;
/** How long the news of a rotation may be on its way from another tab. */
const NEWS_MS = 1_500;
/** The same where there is no ledger to say that there are any. */
const GUESS_MS = 100;

export interface RefresherParts extends TabParts {
  readonly endpoint: Endpoint;
  /** The server's --reuse-grace: how long after a rotation whose news were lost its token may be shown again. */
  readonly graceMs: number;
}

/**
 * Brings a session to its next generation, whoever else tries to: under the lock; with the generation re-read
 * inside of it; and giving the lock back before every wait, so that whoever is luckier goes first. The function that
 * is returned returns once the session has moved on, and rejects with a TokenError.
 */
export function refresher(parts: RefresherParts): (session: Session) => Promise<void> {
  const { state, ledger, channel, endpoint, lockName, patienceMs, graceMs, over, emit } = parts;

  async function run(session: Session): Promise<void> {
    const moved = (): boolean => state.moved(session);
    const giveUpMs = Date.now() + patienceMs;
    let refusals = 0;
    for (let attempt = 0; ; attempt++) {
      const answer = await exclusively(
        lockName,
        () => state.until(moved, LOCK_MS),
        () => once(session, moved),
      );
      if (answer?.kind === 'refused') {
        refusals += 1;
        // Somebody else may have rotated the token, and their news come after the 401.
        channel.ask(session);
        const news = await state.until(moved, NEWS_MS);
        // A cookie is tried once more, for theirs may have been set since.
        if (!news && (session.refresh || refusals > 1)) await end(session);
      }
      if (state.current?.id !== session.id) throw signedOut();
      if (moved()) return;
      if (answer?.kind === 'broken') throw new TokenError('REFRESH_FAILED', answer.status);
      if (answer?.kind === 'again') state.restMs = answer.afterMs;
      const restMs = backoffMs(attempt, state.restMs);
      if (Date.now() + restMs > giveUpMs) throw new TokenError('UNAVAILABLE');
      emit('failed', { retryInMs: restMs });
      const offline = !navigator.onLine;
      // Where there is no network nobody is asked, and each tab may look for itself.
      if (answer && !offline) channel.post({ kind: 'rest', id: session.id, retryInMs: restMs });
      await state.until(() => moved() || (offline && navigator.onLine), restMs);
    }
  }

  /** One try, inside the lock. Returns the answer of the server where that didn't bring the session on. */
  async function once(session: Session, moved: () => boolean): Promise<Answer | undefined> {
    if (moved()) return undefined;
    const entry = await catchUp(parts, session);
    if (!entry || entry.generation > session.generation) {
      await state.until(moved, entry ? NEWS_MS : GUESS_MS);
      // A rotation that another tab made is lost with it. Its predecessor shown again gets the same pair while the server's grace
      // lasts; after that it would count as stolen. In cookie mode nothing is ever lost: the browser has the newest.
      if (!moved() && entry && session.refresh)
        if (entry.generation > session.generation + 1 || Date.now() - entry.atMs > graceMs)
          over(session.id, 'expired');
    }
    if (moved() || state.restMs > 0) return undefined;

    const answer = await endpoint.refresh(session);
    if (answer.kind !== 'pair') return answer;
    const { pair } = answer;
    const next: Session = {
      ...session,
      ...pair,
      skewMs: pair.skewMs ?? session.skewMs,
      generation: session.generation + 1,
    };
    if (state.current?.id !== session.id) {
      // Logged out meanwhile. Our server follows the family to its tip by itself; others don't.
      void endpoint.blacklist(next);
    } else if (state.adopt(next)) {
      channel.post({ kind: 'session', session: next });
    } else if (!moved()) {
      // Another user's tokens in answer to ours: nobody goes on with these.
      await end(session);
    }
    // Where the refresh token stays, as without rotation, no tab can lose one that another has.
    if (!next.refresh || next.refresh !== session.refresh) await ledger.advance(session.id, next.generation);
    return undefined;
  }

  /** Written down before anybody is told, for then the page may be gone, and its next one must not try again. */
  async function end({ id }: Session): Promise<void> {
    await ledger.advance(id, ENDED);
    over(id, 'expired');
  }

  return run;
}

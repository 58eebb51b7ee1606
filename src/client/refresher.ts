import { backoffMs } from './backoff.js';
import type { Channel } from './channel.js';
import type { Answer, Endpoint } from './endpoint.js';
import { signedOut, TokenError } from './errors.js';
import { ENDED, type Ledger } from './ledger.js';
import { exclusively } from './lock.js';
import type { Session } from './session.js';
import type { SessionState } from './state.js';

/** How long to wait for a lock: a frozen tab may hold it, and the server's 429 guards those who go on without. */
const LOCK_MS = 3_000;
/** How long the news of a rotation may be on its way from another tab. */
const NEWS_MS = 1_500;
/** The same where there is no ledger to say that there are any. */
const GUESS_MS = 100;

export interface RefresherParts {
  readonly state: SessionState;
  readonly ledger: Ledger;
  readonly channel: Channel;
  readonly endpoint: Endpoint;
  readonly lockName: string;
  /** How long one refresh goes on trying. */
  readonly patienceMs: number;
  /** The server's --reuse-grace: how long after a rotation whose news were lost its token may be shown again. */
  readonly graceMs: number;
  readonly random: () => number;
  /** Tells of a try that has to be repeated. */
  readonly onRetry: (inMs: number) => void;
  /** The server refused the session's last token, or it is lost: log in again. */
  readonly onExpired: (id: string) => void;
  readonly onEndedElsewhere: (id: string) => void;
}

/** `moved`: the session is another one, or has later tokens, than when the try began. */
type Step = Answer | { readonly kind: 'moved' };
const MOVED: Step = { kind: 'moved' };

/**
 * Brings a session to its next generation, whoever else tries to: under the lock; with the generation re-read
 * inside of it; and giving the lock back before every wait, so that whoever is luckier goes first.
 */
export class Refresher {
  readonly #parts: RefresherParts;
  #kicks = 0;

  constructor(parts: RefresherParts) {
    this.#parts = parts;
  }

  /** Ends the rest between two tries: the network is back. */
  kick(): void {
    this.#kicks += 1;
    this.#parts.state.nudge();
  }

  /** Returns once the session has moved on. Rejects with a TokenError. */
  async run(session: Session): Promise<void> {
    const { state, patienceMs, random, onRetry } = this.#parts;
    const giveUpMs = Date.now() + patienceMs;
    let refusals = 0;
    for (let attempt = 0; ; attempt++) {
      const patience = state.until(() => state.moved(session), LOCK_MS);
      const step = await exclusively(this.#parts.lockName, patience, () => this.#try(session));
      if (state.current?.id !== session.id) throw signedOut();
      if (state.moved(session)) return;
      if (step.kind === 'broken') {
        throw new TokenError('REFRESH_FAILED', `The refresh endpoint answered ${step.status}.`);
      }
      if (step.kind === 'refused') {
        refusals += 1;
        if (await this.#refused(session, refusals)) return;
      }
      const restMs = backoffMs(attempt, step.kind === 'again' ? step.afterMs : 0, random);
      if (Date.now() + restMs > giveUpMs) {
        throw new TokenError('UNAVAILABLE', 'The refresh endpoint could not be reached, or is busy.');
      }
      onRetry(restMs);
      const kicks = this.#kicks;
      await state.until(() => state.moved(session) || this.#kicks !== kicks, restMs);
    }
  }

  /** One try, inside the lock. */
  async #try(session: Session): Promise<Step> {
    const { state, ledger, channel, endpoint } = this.#parts;
    if (state.moved(session)) return MOVED;
    const entry = await ledger.read(session.id);
    if (entry?.generation === ENDED) this.#parts.onEndedElsewhere(session.id);
    else if (entry === undefined || entry.generation > session.generation) {
      channel.ask(session);
      await state.until(() => state.moved(session), entry === undefined ? GUESS_MS : NEWS_MS);
      if (!state.moved(session) && entry !== undefined && this.#isLost(session, entry)) {
        this.#parts.onExpired(session.id);
      }
    }
    if (state.moved(session)) return MOVED;

    const answer = await endpoint.refresh(session);
    if (answer.kind !== 'pair') return answer;
    const next: Session = {
      id: session.id,
      generation: session.generation + 1,
      access: answer.access,
      refresh: answer.refresh,
      skewMs: answer.skewMs ?? session.skewMs,
    };
    if (state.current?.id !== session.id) {
      // Logged out meanwhile. Our server follows the family to its tip by itself; others don't.
      void endpoint.blacklist(next);
    } else if (state.adopt(next)) {
      channel.post({ kind: 'session', session: next });
    } else if (!state.moved(session)) {
      // Another user's tokens in answer to ours: nobody goes on with these.
      this.#parts.onExpired(session.id);
    }
    await ledger.advance(session.id, next.generation);
    return MOVED;
  }

  /**
   * Whether a rotation that another tab made is lost, with the tab that made it. Its predecessor shown again gets
   * the same pair while the server's grace lasts; after that it would count as stolen. In cookie mode nothing is
   * ever lost: the browser has the newest.
   */
  #isLost(session: Session, entry: { generation: number; atMs: number }): boolean {
    if (session.refresh === undefined) return false;
    return entry.generation > session.generation + 1 || Date.now() - entry.atMs > this.#parts.graceMs;
  }

  /**
   * Whether somebody else had rotated the token: their news may come after the 401. A cookie is tried once more,
   * for theirs may have been set since. Throws where the session is over.
   */
  async #refused(session: Session, refusals: number): Promise<boolean> {
    const { state, channel, onExpired } = this.#parts;
    channel.ask(session);
    if (await state.until(() => state.moved(session), NEWS_MS)) {
      if (state.current?.id === session.id) return true;
    } else if (session.refresh === undefined && refusals < 2) {
      return false;
    } else {
      onExpired(session.id);
    }
    throw signedOut();
  }
}

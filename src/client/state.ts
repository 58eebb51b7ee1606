import { bounded } from './bounded.js';
import { endOf } from './clock.js';
import { signedOut } from './errors.js';
import { claimsOf } from './jwt.js';
import type { Session } from './session.js';

/**
 * The session of this tab, and the one place that decides what may replace it. Results and messages come late, and
 * from tabs of other users: what is not a later generation of the very session that is here does not land.
 */
export interface SessionState {
  readonly current: Session | undefined;
  /** Whose the session is, as its access token says. */
  readonly userId: string | undefined;
  /** How long the server wants no refresh yet: it was asked too often, or has too much to do. */
  restMs: number;
  /** How long ago the newest token came, where it came from a refresh. */
  readonly ageMs: number;
  /** The newest look at what became of the session while this tab may have slept: nothing is sent before. */
  looking: Promise<unknown> | undefined;
  /** Aborted with SIGNED_OUT when the session that is here ends: what was begun under it ends with it. */
  readonly life: AbortController;
  /** They don't come back: whoever has not heard of a log-out yet may still tell us the session. */
  readonly ended: ReadonlySet<string>;
  /** Another session, or none, whatever was here. */
  begin(session?: Session): void;
  /** A new tab takes this one session from another tab; without an id, none any more. */
  expect(id?: string): void;
  adopt(next: Session): boolean;
  /** Forgets the session, if it still is that one. */
  end(id: string): boolean;
  /** Whether the session has ended or moved on since that generation, or nobody here wants it any more. */
  moved(session: Session): boolean;
  /** Called after every change. */
  readonly listeners: Set<() => void>;
  /** Looks at `test` again after every change; false where it didn't hold within that time. */
  until(test: () => boolean, ms: number): Promise<boolean>;
  /** Has those who wait look again: something besides the session has changed. */
  nudge(): void;
}

/** @param gone aborted when the manager is disposed of */
export function sessionState(
  save: (session: Session | undefined) => void,
  userClaim: string,
  gone: AbortSignal,
): SessionState {
  const listeners = new Set<() => void>();
  const ended = new Set<string>();
  let restMs = 0;
  let restEndsMs = 0;
  let receivedMs = 0;
  let current: Session | undefined;
  let expected: string | undefined;
  let life = new AbortController();

  const userOf = (session: Session | undefined): string | undefined =>
    session && (claimsOf(session.access)[userClaim] as string | undefined);

  function begin(session?: Session): void {
    if (session?.id !== current?.id) {
      life.abort(signedOut());
      life = new AbortController();
    }
    current = session;
    expected = undefined;
    self.restMs = receivedMs = 0;
    // A manager that was disposed of may have a successor, with another user.
    if (!gone.aborted) save(session);
    nudge();
  }

  function nudge(): void {
    for (const listener of listeners) listener();
  }

  function succeeds(now: Session, next: Session): boolean {
    if (next.id !== now.id || next.generation <= now.generation) return false;
    const [was, is] = [userOf(now), userOf(next)];
    // Loosely: the number becomes a string where the server's simplejwt is updated.
    return was === undefined || is === undefined || was == is;
  }

  const self: SessionState = {
    get current() {
      return current;
    },
    get userId() {
      return userOf(current);
    },
    // A clock that is set back starts both anew, and makes neither longer. Not performance.now(): where computers sleep it may
    // stand still.
    get restMs() {
      const leftMs = restEndsMs - Date.now();
      if (leftMs > restMs) self.restMs = restMs;
      return Math.min(leftMs, restMs);
    },
    set restMs(ms) {
      restMs = ms;
      restEndsMs = Date.now() + ms;
    },
    get ageMs() {
      receivedMs = Math.min(receivedMs, Date.now());
      return Date.now() - receivedMs;
    },
    looking: undefined,
    get life() {
      return life;
    },
    ended,
    begin,
    expect(id) {
      expected = id;
    },
    adopt(next) {
      const now = current;
      const fits = now ? succeeds(now, next) : next.id === expected && !ended.has(next.id);
      if (fits) {
        // Where one of the two is unknown, neither is less.
        begin({ ...next, last: next.last || (!!now && (endOf(next) ?? Infinity) <= (endOf(now) ?? 0)) });
        if (now) receivedMs = Date.now();
      }
      return fits;
    },
    end(id) {
      ended.add(id);
      if (current?.id !== id) return false;
      begin();
      return true;
    },
    moved: ({ id, generation }) => gone.aborted || current?.id !== id || current.generation > generation,
    listeners,
    until(test, ms) {
      let look!: () => void;
      const held = new Promise<boolean>((resolve) => {
        look = () => {
          if (test()) resolve(true);
        };
        listeners.add(look);
        look();
      });
      return bounded(held, ms, test).finally(() => listeners.delete(look));
    },
    nudge,
  };
  return self;
}

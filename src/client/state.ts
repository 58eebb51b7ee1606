import { bounded } from './bounded.js';
import { endOf } from './clock.js';
import { signedOut } from './errors.js';
import type { Events } from './events.js';
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
  /** A new tab takes the session with this id from another tab; without one, none any more. */
  expected: string | undefined;
  adopt(next: Session): boolean;
  /** Forgets the session, if it still is that one. */
  end(id: string): boolean;
  /** Whether the session has ended or moved on since that generation, or nobody here wants it any more. */
  moved(session: Session): boolean;
  /** Looks at `test` again after every change; false where it didn't hold within that time. */
  until(test: () => boolean, ms: number): Promise<boolean>;
  /** Has those who wait look again: something has changed. */
  nudge(): void;
}

/** @param gone aborted when the manager is disposed of */
export function sessionState(
  save: (session: Session | undefined) => void,
  userClaim: string,
  gone: AbortSignal,
  { on, emit }: Events,
): SessionState {
  const ended = new Set<string>();
  let restMs = 0;
  let restEndsMs = 0;
  let receivedMs = 0;

  const userOf = (session: Session | undefined): string | undefined =>
    session && (claimsOf(session.access)[userClaim] as string | undefined);

  function begin(session?: Session): void {
    if (session?.id !== self.current?.id) {
      self.life.abort(signedOut());
      self.life = new AbortController();
    }
    self.current = session;
    self.expected = undefined;
    self.restMs = receivedMs = 0;
    // A manager that was disposed of may have a successor, with another user.
    if (!gone.aborted) save(session);
    self.nudge();
  }

  function succeeds(now: Session, next: Session): boolean {
    if (next.id !== now.id || next.generation <= now.generation) return false;
    const [was, is] = [userOf(now), userOf(next)];
    // One that isn't said is nobody else. Loosely: the number becomes a string where the server's simplejwt is updated.
    return (was ?? is) == (is ?? was);
  }

  const self: { -readonly [Key in keyof SessionState]: SessionState[Key] } = {
    current: undefined,
    expected: undefined,
    get userId() {
      return userOf(self.current);
    },
    // A clock that is set back starts both anew, and makes neither longer. Not performance.now(): where computers sleep it may
    // stand still.
    get restMs() {
      restEndsMs = Math.min(restEndsMs, Date.now() + restMs);
      return restEndsMs - Date.now();
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
    life: new AbortController(),
    ended,
    begin,
    adopt(next) {
      const now = self.current;
      const fits = now ? succeeds(now, next) : next.id === self.expected && !ended.has(next.id);
      if (fits) {
        // Where one of the two is unknown, neither is less.
        begin({ ...next, last: next.last || (!!now && (endOf(next) ?? Infinity) <= (endOf(now) ?? 0)) });
        if (now) receivedMs = Date.now();
      }
      return fits;
    },
    end(id) {
      ended.add(id);
      if (self.current?.id !== id) return false;
      begin();
      return true;
    },
    moved: ({ id, generation }) =>
      gone.aborted || self.current?.id !== id || self.current.generation > generation,
    until(test, ms) {
      let off: (() => void) | undefined;
      const held = new Promise<boolean>((resolve) => {
        const look = (): void => {
          if (test()) resolve(true);
        };
        off = on('nudged', look);
        look();
      });
      return bounded(held, ms, test).finally(off);
    },
    nudge: () => emit('nudged'),
  };
  return self;
}

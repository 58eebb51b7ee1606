import { bounded } from './bounded.js';
import { endOf } from './clock.js';
import { claimsOf } from './jwt.js';
import type { Session } from './session.js';
import type { Storage } from './storage.js';

/**
 * The session of this tab, and the one place that decides what may replace it. Results and messages come late, and
 * from tabs of other users: what is not a later generation of the very session that is here does not land.
 */
export class SessionState {
  readonly #storage: Storage;
  readonly #userClaim: string;
  /** Aborted when the manager is disposed of. */
  readonly #gone: AbortSignal;
  #rest = { ms: 0, endsMs: 0 };
  readonly #listeners = new Set<() => void>();
  #current: Session | undefined;
  #expected: string | undefined;
  /** Whoever has not heard of a log-out yet may still tell us the session. */
  readonly #ended = new Set<string>();

  constructor(storage: Storage, userClaim: string, gone: AbortSignal) {
    this.#storage = storage;
    this.#userClaim = userClaim;
    this.#gone = gone;
  }

  get current(): Session | undefined {
    return this.#current;
  }

  /** Whose the session is, as its access token says. */
  get userId(): unknown {
    return this.#userOf(this.#current);
  }

  /** How long the server wants no refresh yet: it was asked too often, or has too much to do. */
  get restMs(): number {
    const leftMs = this.#rest.endsMs - Date.now();
    // This computer's clock was set back. Not performance.now(): where computers sleep it may stand still.
    if (leftMs > this.#rest.ms) this.restMs = this.#rest.ms;
    return Math.min(leftMs, this.#rest.ms);
  }

  set restMs(ms: number) {
    this.#rest = { ms, endsMs: Date.now() + ms };
  }

  /** Another session, or none, whatever was here. */
  begin(session?: Session): void {
    this.#current = session;
    this.#expected = undefined;
    this.restMs = 0;
    // A manager that was disposed of may have a successor, with another user.
    if (!this.#gone.aborted) this.#storage.save(session);
    this.nudge();
  }

  /** A new tab takes this one session from another tab; without an id, none any more. */
  expect(id?: string): void {
    this.#expected = id;
  }

  adopt(next: Session): boolean {
    const now = this.#current;
    const fits = now ? this.#succeeds(now, next) : next.id === this.#expected && !this.#ended.has(next.id);
    // Where one of the two is unknown, neither is less.
    if (fits)
      this.begin({ ...next, last: next.last || (!!now && (endOf(next) ?? Infinity) <= (endOf(now) ?? 0)) });
    return fits;
  }

  /** Forgets the session, if it still is that one. It doesn't come back. */
  end(id: string): boolean {
    this.#ended.add(id);
    if (this.#current?.id !== id) return false;
    this.begin();
    return true;
  }

  /** Whether the session has ended or moved on since that generation, or nobody here wants it any more. */
  moved({ id, generation }: Session): boolean {
    return this.#gone.aborted || this.#current?.id !== id || this.#current.generation > generation;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks at `test` again after every change; false where it didn't hold within that time. */
  until(test: () => boolean, ms: number): Promise<boolean> {
    let stop = (): unknown => undefined;
    const held = new Promise<boolean>((resolve) => {
      const look = (): void => {
        if (test()) resolve(true);
      };
      stop = this.onChange(look);
      look();
    });
    return bounded(held, ms, test).finally(stop);
  }

  /** Has those who wait look again: something besides the session has changed. */
  nudge(): void {
    for (const listener of this.#listeners) listener();
  }

  #succeeds(now: Session, next: Session): boolean {
    if (next.id !== now.id || next.generation <= now.generation) return false;
    const [was, is] = [this.#userOf(now), this.#userOf(next)];
    // Loosely: the number becomes a string where the server's simplejwt is updated.
    return was === undefined || is === undefined || was == is;
  }

  #userOf(session: Session | undefined): string | undefined {
    return session && (claimsOf(session.access)?.[this.#userClaim] as string | undefined);
  }
}

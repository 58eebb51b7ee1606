import type { TokenError } from './errors.js';
import type { IdleWarning } from './idle-clock.js';

export type SignedOutWhere = 'here' | 'elsewhere' | 'idle';

export interface TokenEvents {
  /** New tokens are here, whoever fetched them: this tab, another one, or the worker. */
  refreshed: { readonly generation: number };
  /** A try failed. `retryInMs`: it goes on by itself; else the next request, or wake-up, tries again. */
  failed: { readonly error?: TokenError; readonly retryInMs?: number };
  /** The session ends soon, and no refresh has put that off: time to save, and to log in again. Once for each end. */
  expiring: { readonly session: string; readonly endsAt: number };
  /** The session is over without anybody having logged out: the refresh token expired or was revoked. */
  expired: { readonly session: string };
  /** Somebody logged out, `here` or in another tab; `idle`: nobody was there any more. */
  signedOut: { readonly session: string; readonly where: SignedOutWhere };
  /** See idleLogOff. */
  idleWarning: IdleWarning;
}

interface AllEvents extends TokenEvents {
  /** The snapshot is another one. */
  changed: undefined;
  /** Something has changed: whoever waits looks again. */
  nudged: undefined;
}

export type AnyEvent = keyof AllEvents;
export type Emit = <Name extends AnyEvent>(name: Name, detail?: AllEvents[Name]) => void;

export interface Events {
  readonly on: <Name extends AnyEvent>(name: Name, listener: (detail: AllEvents[Name]) => void) => () => void;
  readonly emit: Emit;
}

/** A listener that throws is reported as any uncaught error is, and stops nobody else. */
export function openEvents(): Events {
  const target = new EventTarget();
  return {
    on(name, listener) {
      const heard = (event: Event): void => listener((event as CustomEvent<never>).detail);
      target.addEventListener(name, heard);
      return () => target.removeEventListener(name, heard);
    },
    emit: (name, detail) => void target.dispatchEvent(new CustomEvent(name, { detail })),
  };
}

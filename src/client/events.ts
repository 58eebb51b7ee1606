import type { TokenError } from './errors.js';

export interface TokenEvents {
  /** New tokens are here, whoever fetched them: this tab, another one, or the worker. */
  refreshed: { readonly generation: number };
  /** A try failed. `retryInMs`: it goes on by itself; else the next request, or wake-up, tries again. */
  failed: { readonly error: TokenError | undefined; readonly retryInMs: number | undefined };
  /** The session ends soon, and no refresh has put that off: time to save, and to log in again. Once for each end. */
  expiring: { readonly session: string; readonly endsAt: number };
  /** The session is over without anybody having logged out: the refresh token expired or was revoked. */
  expired: { readonly session: string };
  /** Somebody logged out, `here` or in another tab. */
  signedOut: { readonly session: string; readonly where: 'here' | 'elsewhere' };
}

interface AllEvents extends TokenEvents {
  /** The snapshot is another one. */
  changed: undefined;
}

/** A listener that throws is reported as any uncaught error is, and stops nobody else. */
export class Events {
  readonly #target = new EventTarget();

  on<Name extends keyof AllEvents>(name: Name, listener: (detail: AllEvents[Name]) => void): () => void {
    const heard = (event: Event): void => listener((event as CustomEvent<AllEvents[Name]>).detail);
    this.#target.addEventListener(name, heard);
    return () => this.#target.removeEventListener(name, heard);
  }

  emit<Name extends keyof AllEvents>(name: Name, detail?: AllEvents[Name]): void {
    this.#target.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

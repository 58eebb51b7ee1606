import type { TokenError } from './errors.js';

export interface TokenEvents {
  /** New tokens are here, whoever fetched them: this tab, another one, or the worker. */
  refreshed: { readonly generation: number };
  /** A try failed. `retryInMs`: it goes on by itself; else the next request, or wake-up, tries again. */
  failed: { readonly error: TokenError | undefined; readonly retryInMs: number | undefined };
  /** The session is over without anybody having logged out: the refresh token expired or was revoked. */
  expired: { readonly session: string };
  /** Somebody logged out, `here` or in another tab. */
  signedOut: { readonly session: string; readonly where: 'here' | 'elsewhere' };
}

type Listener<Name extends keyof TokenEvents> = (detail: TokenEvents[Name]) => void;

/** Listeners a name. One that throws is reported as any uncaught error is, and stops nobody else. */
export class Events {
  readonly #listeners = new Map<keyof TokenEvents, Set<Listener<never>>>();

  on<Name extends keyof TokenEvents>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  emit<Name extends keyof TokenEvents>(name: Name, detail: TokenEvents[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      queueMicrotask(() => (listener as Listener<Name>)(detail));
    }
  }
}

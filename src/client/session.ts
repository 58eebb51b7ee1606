/**
 * One log-in as this tab knows it. The id is drawn at log-in; the generation counts the rotations since. Every
 * message between tabs and worker carries both: a message of another session, or of an earlier generation, is
 * dropped, so that at shift change nobody's token lands in another's tab.
 */
export interface Session {
  readonly id: string;
  readonly generation: number;
  /** '' while it is only known that there is a session: a tab that was reloaded, in cookie mode. */
  readonly access: string;
  /** Undefined in cookie mode. */
  readonly refresh: string | undefined;
  /** The server's clock minus this computer's, as last seen, in milliseconds. */
  readonly skewMs: number;
}

export function newSessionId(): string {
  // Not randomUUID(), which pages without https don't have.
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('');
}

/** Others write into the channel and into storage: nothing is taken for a session unseen. */
export function isSession(value: unknown): value is Session {
  if (typeof value !== 'object' || value === null) return false;
  const { id, generation, access, refresh, skewMs } = value as Record<string, unknown>;
  return (
    typeof id === 'string' &&
    Number.isSafeInteger(generation) &&
    typeof access === 'string' &&
    (refresh === undefined || typeof refresh === 'string') &&
    Number.isFinite(skewMs)
  );
}

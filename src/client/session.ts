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
  readonly refresh?: string | undefined;
  /** An old client may hold the same refresh token, and keeps it: no rotation is asked for. */
  readonly shared?: boolean | undefined;
  /**
   * When the refresh token can be used no more, by the server's clock, in ms: told by the server in cookie mode, where no script
   * can read it, and where the token outlasts its session.
   */
  readonly endsMs?: number | undefined;
  /** Its end does not move any more, however often it is refreshed. */
  readonly last?: boolean | undefined;
  /** The server's clock minus this computer's, as last seen, in milliseconds. */
  readonly skewMs: number;
}

export function newSessionId(): string {
  // Not randomUUID(), which pages without https don't have.
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

/** Others write into the channel and into storage: nothing is taken for a session unseen. */
export function isSession(value: unknown): value is Session {
  const { id, generation, access, skewMs } = (value ?? {}) as Partial<Session>;
  return (
    `${typeof id} ${typeof access} ${typeof generation} ${typeof skewMs}` === 'string string number number'
  );
}

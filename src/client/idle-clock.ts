/** What an automatic log-off is to the manager it is given to; `idleLogOff()` makes one. */
export interface IdleClock {
  /** When the session that it follows ends unless there is input, by this computer's clock, in ms since the epoch. */
  readonly endsAt: number;
  /** Whether that is over as far as this tab knows: before anything is sent isOver() is asked. */
  readonly isDue: boolean;
  /**
   * The manager has become one of a page. Called once.
   *
   * @param name of the manager: tabs with the same one share their sessions
   * @param gone aborted by dispose()
   * @param over ends the session in all tabs, and tells the server
   */
  attach(
    name: string,
    gone: AbortSignal,
    emit: (name: 'idleWarning', detail: IdleWarning) => void,
    over: (session: string, how: 'idle') => unknown,
  ): void;
  /** Follows this session from now on; undefined: none. May be called again with the same one. */
  follow(session: string | undefined): void;
  /** Whether nobody was there for too long, in any tab, by the wall clock. */
  isOver(session: string): Promise<boolean>;
}

export interface IdleWarning {
  readonly session: string;
  /** How long until the session ends. Undefined: no longer, for there was input in this tab or another. */
  readonly secondsLeft: number | undefined;
}

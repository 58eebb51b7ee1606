import type { TokenKey } from './ports.js';

/** Something that the database was told by others (Django, an operator, another instance), and that a cache must know. */
export type Change =
  /** These tokens have a blacklist row now, whoever wrote it. */
  | { readonly kind: 'blacklisted'; readonly tokens: readonly TokenKey[] }
  /** A user was deactivated, deleted or revoked: what is remembered of all its tokens is no longer to be trusted. */
  | { readonly kind: 'user'; readonly userKey: string };

export interface ChangeListener {
  onChange(change: Change): void;
  /**
   * From now on every change is told, the first time and after each gap. What changed before is not known: all that
   * was remembered until now is no longer to be trusted.
   */
  onAlive(): void;
  /** Changes may be missed from now on (connection lost, heartbeat stale, trigger gone). */
  onLost(): void;
}

/** What others change in the database, told within a second (rule 11): LISTEN/NOTIFY with a heartbeat. */
export interface ChangeFeed {
  /** It listens, the trigger is installed, and the heartbeat is fresh. */
  readonly alive: boolean;
  /** Where the feed is alive already, `onAlive` is called at once. */
  subscribe(listener: ChangeListener): void;
}

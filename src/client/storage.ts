import type { Session } from './session.js';

/**
 * Where a tab keeps its tokens:
 * - `memory`: in this page only. Gone with a reload, unless another tab is open to ask.
 * - `session`: in sessionStorage. Survives a reload; any script of the origin can read it.
 * - `cookie`: the refresh token in an HttpOnly cookie that no script can read (`serve --refresh-cookie`); the access
 *   token in memory. The recommended one.
 */
export type StorageMode = 'memory' | 'session' | 'cookie';

export interface Storage {
  /** What a reload left behind: the session, or only its id where its tokens aren't kept here, or nothing. */
  load(): Partial<Session>;
  save(session: Session | undefined): void;
}

/** sessionStorage may throw at any access (blocked, full): then the tokens are kept in memory alone. */
export function openStorage(mode: StorageMode | undefined, key: string): Storage {
  return {
    load() {
      try {
        return JSON.parse(sessionStorage.getItem(key) ?? '{}') as Partial<Session>;
      } catch {
        return {};
      }
    },
    save(session) {
      try {
        // First, since a full disk must not leave a former user's tokens behind.
        sessionStorage.removeItem(key);
        if (session)
          sessionStorage.setItem(key, JSON.stringify(mode === 'session' ? session : { id: session.id }));
      } catch {
        // Kept in memory, then.
      }
    },
  };
}

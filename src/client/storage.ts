/**
 * Where a tab keeps its tokens:
 * - `memory`: in this page only. Gone with a reload, unless another tab is open to ask.
 * - `session`: in sessionStorage. Survives a reload; any script of the origin can read it.
 * - `cookie`: the refresh token in an HttpOnly cookie that no script can read (`serve --refresh-cookie`); the access
 *   token in memory. The recommended one.
 */
export type StorageMode = 'memory' | 'session' | 'cookie';

/** A value that a reload leaves behind: all of it, or a part, or nothing. */
export interface Kept<T> {
  load(): Partial<T>;
  save(value: Partial<T> | undefined): void;
}

/** Storage may throw at any access (blocked, full): then there is what is in memory alone. */
export function openKept<T>(area: () => Storage, key: string): Kept<T> {
  return {
    load() {
      try {
        return JSON.parse(area().getItem(key) ?? '{}') as Partial<T>;
      } catch {
        return {};
      }
    },
    save(value) {
      try {
        // First, since a full disk must not leave a former user's tokens behind.
        area().removeItem(key);
        if (value) area().setItem(key, JSON.stringify(value));
      } catch {
        // Kept in memory, then.
      }
    },
  };
}

/** React Native's AsyncStorage, a keychain, Electron's safeStorage behind a bridge, a file: what keeps one text. */
export interface TextStore {
  getItem(key: string): string | null | undefined | Promise<string | null | undefined>;
  setItem(key: string, value: string): unknown;
}

export interface StorageOptions {
  /** Under which the whole of it is kept. `carelink-tokens` if not given. */
  readonly key?: string;
  /** The origin of your server, for URLs that have none, where the platform has no `location`. */
  readonly origin?: string;
}

/**
 * Has `storage: 'session'` keep its tokens in `store`, and managers run where there is no page: in React Native and Node.
 * Call it once, before the first manager is made. What a platform lacks of a browser is stood in for, and nothing that it has
 * is replaced but `sessionStorage`.
 *
 * The store should be one that the platform encrypts. It is read once; then each change is written, one after the other.
 *
 * @returns resolves when everything that has changed is written, whenever it is called
 */
export async function provideStorage(
  store: TextStore,
  { key = 'carelink-tokens', origin = 'http://localhost' }: StorageOptions = {},
): Promise<() => Promise<void>> {
  const kept = new Map<string, string>(Object.entries(parse(await store.getItem(key))));
  let written = Promise.resolve();
  const write = (): void => {
    const text = JSON.stringify(Object.fromEntries(kept));
    // One that fails is made up for by the next one, which has all of it.
    written = written
      .then(() => store.setItem(key, text))
      .then(
        () => undefined,
        () => undefined,
      );
  };
  const sessionStorage = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => {
      kept.set(name, value);
      write();
    },
    removeItem: (name: string) => {
      if (kept.delete(name)) write();
    },
  };
  Object.defineProperty(globalThis, 'sessionStorage', { value: sessionStorage, configurable: true });
  const { hostname } = new URL(origin);
  const standIns = {
    document: {},
    location: { href: `${origin}/`, origin, hostname },
    navigator: { onLine: true },
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    ReadableStream: Function,
  };
  for (const [name, value] of Object.entries(standIns))
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true });
  return () => written;
}

function parse(text: string | null | undefined): Record<string, string> {
  try {
    return Object(JSON.parse(text ?? '{}')) as Record<string, string>;
  } catch {
    return {};
  }
}

import { bounded } from './bounded.js';

/** The generation of a session that was logged out: no rotation comes after it. */
export const ENDED = Number.MAX_SAFE_INTEGER;

export interface Entry {
  readonly generation: number;
  /** When it was written, by this computer's clock. */
  readonly atMs: number;
}

const STORE = 'sessions';
/** The key whose value is the id of the last log-in: what a new tab asks the others for. */
const CURRENT = '';
/** Log-ins of some weeks. */
const MOST = 300;
/** A disk that takes longer than this is as good as none. */
const PATIENCE_MS = 2_000;

/**
 * Which generation each session has reached: what is re-read inside the lock. It holds no token.
 *
 * It is in IndexedDB because that is the one store whose writes are seen by whoever gets a Web Lock next:
 * localStorage is cached a process, and a message may still be on its way when the lock is already granted.
 * Where it can't be had (some private modes, a full disk) every reading is undefined, and the tabs ask each other.
 */
export interface Ledger {
  read(id: string): Promise<Entry | undefined>;
  /** The last log-in. */
  current(): Promise<string | undefined>;
  /** The generations of a session only grow, whoever comes late. One that is beyond `most` is none. */
  advance(id: string, generation: number, most?: number): Promise<unknown>;
  /** Resolves to the log-in before it. */
  begin(id: string): Promise<string | undefined>;
}

export function openLedger(name: string): Ledger {
  let opened: Promise<IDBDatabase> | undefined;

  /** One transaction; its result once it is complete. */
  function run<T>(
    mode: IDBTransactionMode,
    work: (store: IDBObjectStore) => IDBRequest,
  ): Promise<T | undefined> {
    const done = async (): Promise<T> => {
      const database = await (opened ??= open(name));
      return new Promise((resolve, reject) => {
        const transaction = database.transaction(STORE, mode);
        const request = work(transaction.objectStore(STORE)) as IDBRequest<T>;
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = reject;
      });
    };
    const failed = (): undefined => (opened = undefined);
    // Browsers cut the connections of pages that sleep, and say so only then: that is not an empty answer.
    const again = (): Promise<T> => (failed(), done());
    return bounded(done().catch(again).catch(failed), PATIENCE_MS, failed);
  }

  const read = <T>(key: string): Promise<T | undefined> => run('readonly', (store) => store.get(key));

  return {
    read,
    current: () => read(CURRENT),
    advance: (id, generation, most = Infinity) =>
      run('readwrite', (store) => {
        const reading = store.get(id) as IDBRequest<Entry | undefined>;
        reading.onsuccess = () => {
          const was = reading.result?.generation ?? -1;
          if (was < generation || was > most) store.put({ generation, atMs: Date.now() }, id);
        };
        return reading;
      }),
    begin: (id) =>
      run('readwrite', (store) => {
        // Ends are kept, for pages that slept. Of what lives on in some tab the next rotation is written anew.
        const former = store.get(CURRENT);
        const counting = store.count();
        counting.onsuccess = () => {
          if (counting.result > MOST) store.clear();
          store.put(id, CURRENT);
          store.put({ generation: 0, atMs: Date.now() }, id);
        };
        return former;
      }),
  };
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => void opening.result.createObjectStore(STORE);
    opening.onerror = reject;
    opening.onsuccess = () => {
      // Whoever deletes or upgrades it need not wait for us: the next transaction opens it anew.
      opening.result.onversionchange = () => opening.result.close();
      resolve(opening.result);
    };
  });
}

import type pg from 'pg';

/**
 * A connection that has been idle for so long is asked whether it leads anywhere before it is used. Shorter than the pause
 * between two health checks, which would else be the ones to hang; a busy pool never gets there.
 */
const LONG_IDLE_MS = 4_000;

/** With what a new connection takes it leaves room for an answer within a second. A healthy server needs a millisecond or two. */
const ANSWERS_WITHIN_MS = 250;

/**
 * Whether a connection still leads to a server. A firewall, a NAT or a proxy forgets connections that are idle, and tells
 * nobody: what is sent then is lost, and TCP goes on trying for a quarter of an hour.
 *
 * A timer that fires in a process that was held up says nothing: what has arrived by then is read first.
 */
export function answers(client: pg.ClientBase): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => setImmediate(() => resolve(false)), ANSWERS_WITHIN_MS);
    client
      .query('')
      .then(
        () => resolve(true),
        () => resolve(false),
      )
      .finally(() => clearTimeout(timer));
  });
}

/** What a pool knows of its connections. */
export class Connections {
  readonly #open = new Set<pg.ClientBase>();
  /** Those that are closed as soon as nobody uses them. */
  readonly #outdated = new WeakSet<pg.ClientBase>();
  readonly #idleSinceMs = new WeakMap<pg.ClientBase, number>();

  add(client: pg.ClientBase): void {
    this.#open.add(client);
    client.once('end', () => this.#open.delete(client));
  }

  /** Nobody uses it from now on. */
  rests(client: pg.ClientBase): 'fit' | 'outdated' {
    this.#idleSinceMs.set(client, performance.now());
    return this.#outdated.has(client) ? 'outdated' : 'fit';
  }

  /** Whether nobody had used it for so long that it has to be asked. */
  restedLong(client: pg.ClientBase): boolean {
    const sinceMs = this.#idleSinceMs.get(client);
    return sinceMs !== undefined && performance.now() - sinceMs >= LONG_IDLE_MS;
  }

  /** All that are there are of no use any more. */
  outdate(): void {
    for (const client of this.#open) this.#outdated.add(client);
  }
}

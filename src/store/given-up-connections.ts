import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { BackendsInDoubtError, NotConnectedError } from './errors.js';
import { GivenUpBackends, untilAnswered, type Backend, type GivenUpOptions } from './stalled.js';

/** A backend that is told to end is gone within milliseconds: nobody is to fail for those, with a pool of one above all. */
const ROOM_MS = 250;
const ROOM_LOOK_MS = 10;

const IN_DOUBT = 'as many statements as there may be connections did not return';

/** What becomes of a pool's connections whose statement was given up and may run still, and whether more may be opened. */
export class GivenUpConnections {
  readonly #size: number;
  /** Who serves each connection, where that can be known. */
  readonly #backends = new WeakMap<pg.ClientBase, Backend>();
  readonly #ending: GivenUpBackends;
  /** Those whose backend can't be named: kept until it is answered. */
  readonly #kept = new Set<pg.PoolClient>();

  /** @param size how many connections there may be, those in doubt among them */
  constructor(size: number, options: GivenUpOptions) {
    this.#size = size;
    this.#ending = new GivenUpBackends(options);
  }

  isServedBy(client: pg.ClientBase, backend: Backend): void {
    this.#backends.set(client, backend);
  }

  giveUp(client: pg.PoolClient): void {
    const backend = this.#backends.get(client);
    if (backend !== undefined) {
      // Counted before it is released, or another would be opened in its place at once.
      this.#ending.giveUp(backend);
      client.release(true);
    } else {
      this.#kept.add(client);
      void untilAnswered(client).then(() => {
        if (this.#kept.delete(client)) client.release(true);
      });
    }
  }

  /** How many may be open besides those that no pool counts any more. */
  get room(): number {
    return this.#size - this.#ending.count;
  }

  get count(): number {
    return this.#ending.count + this.#kept.size;
  }

  /**
   * Waits a moment where as many statements as there may be connections were given up, and run still.
   *
   * @throws NotConnectedError
   */
  async haveRoom(): Promise<void> {
    for (let waitedMs = 0; waitedMs < ROOM_MS && this.count >= this.#size; waitedMs += ROOM_LOOK_MS) {
      await sleep(ROOM_LOOK_MS);
    }
    if (this.count >= this.#size) {
      throw new NotConnectedError('no connection to PostgreSQL', {
        cause: new BackendsInDoubtError(IN_DOUBT),
      });
    }
  }

  async stop(): Promise<void> {
    for (const client of this.#kept) client.release(true);
    this.#kept.clear();
    await this.#ending.stop();
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { microsecondsSql } from './time-sql.js';

/** One of the server's sessions, told apart from a later one that has its process id. */
export interface Backend {
  readonly pid: number;
  /** When it began, in microseconds by the server's clock. */
  readonly beganUs: string;
}

export interface GivenUpOptions {
  /** A connection outside of the pool, which may have none left. */
  readonly connect: () => Promise<pg.Client>;
  /** One more was given up, or one is gone. */
  readonly onChange: () => void;
}

/** Between two looks at what is left. A backend that is told to end is gone within milliseconds. */
const FIRST_PAUSE_MS = 25;
const MAX_PAUSE_MS = 1_000;

/**
 * Backends that run a statement of ours which we gave up (rule 37).
 *
 * A backend that waits for a synchronous standby doesn't notice that its client left, and no time-out ends its wait: each
 * statement that is sent again would leave one more behind, until Django finds no connection. So it is ended, which a
 * role may do to its own sessions. Until it is known to be gone it counts as a connection of ours.
 */
export class GivenUpBackends {
  readonly #options: GivenUpOptions;
  readonly #backends = new Set<Backend>();
  readonly #stopping = new AbortController();
  #ending: Promise<void> | undefined;

  constructor(options: GivenUpOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#backends.size;
  }

  giveUp(backend: Backend): void {
    this.#backends.add(backend);
    this.#options.onChange();
    this.#begin();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ending;
  }

  #begin(): void {
    this.#ending ??= this.#endAll().finally(() => {
      this.#ending = undefined;
      // One was given up while the connection for the others was being closed.
      if (this.#backends.size > 0 && !this.#stopping.signal.aborted) this.#begin();
    });
  }

  /** Until none is left, whatever fails meanwhile. */
  async #endAll(): Promise<void> {
    const { signal } = this.#stopping;
    let client: pg.Client | undefined;
    for (
      let pauseMs = FIRST_PAUSE_MS;
      this.#backends.size > 0;
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)
    ) {
      try {
        client ??= await this.#options.connect();
        if (await this.#endThose(client, [...this.#backends])) pauseMs = FIRST_PAUSE_MS;
      } catch {
        await closed(client);
        client = undefined;
      }
      if (this.#backends.size === 0 || signal.aborted) break;
      // Ended early by a stop; it holds no process.
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
    await closed(client);
  }

  /** Returns whether any of them is gone. */
  async #endThose(client: pg.Client, given: readonly Backend[]): Promise<boolean> {
    const { rows } = await client.query<{ pid: number }>(STILL_THERE, [
      given.map(({ pid }) => pid),
      given.map(({ beganUs }) => beganUs),
    ]);
    const there = new Set(rows.map(({ pid }) => pid));
    const gone = given.filter(({ pid }) => !there.has(pid));
    for (const backend of gone) this.#backends.delete(backend);
    if (gone.length > 0) this.#options.onChange();
    if (there.size > 0) {
      // Where that right was taken away they are waited for: they stay counted.
      await client.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS t (pid)', [[...there]]);
    }
    return gone.length > 0;
  }
}

/** A cut network doesn't say that the other end is gone. */
const CLOSE_MS = 1_000;

async function closed(client: pg.Client | undefined): Promise<void> {
  if (client === undefined) return;
  await Promise.race([client.end().catch(() => undefined), sleep(CLOSE_MS, undefined, { ref: false })]);
}

const STILL_THERE = `
  SELECT a.pid
    FROM unnest($1::int[], $2::bigint[]) AS given_up (pid, began_us)
    JOIN pg_stat_activity a
      ON a.pid = given_up.pid AND ${microsecondsSql('a.backend_start')} = given_up.began_us`;

/**
 * Who serves a new connection. Undefined where that isn't known: there is a pooler between, or the role may not look.
 *
 * A pooler makes up the process id that it greets its clients with, for the sessions behind it change. In session mode it
 * does so too; going on as if in transaction mode is right there as well, and only costs the prepared statements.
 */
export async function servedBy(
  client: pg.ClientBase,
): Promise<{ readonly pooled: boolean; readonly backend: Backend | undefined }> {
  const { rows } = await client
    .query<{ pid: number; began_us: string | null }>(
      `SELECT pg_backend_pid() AS pid, (SELECT ${microsecondsSql('backend_start')}
                                          FROM pg_stat_activity WHERE pid = pg_backend_pid()) AS began_us`,
    )
    .catch(() =>
      client.query<{ pid: number; began_us: null }>('SELECT pg_backend_pid() AS pid, NULL AS began_us'),
    );
  const [{ pid, began_us: beganUs } = { pid: 0, began_us: null }] = rows;
  const pooled = pid !== (client as pg.ClientBase & { readonly processID: number | null }).processID;
  return { pooled, backend: pooled || beganUs === null ? undefined : { pid, beganUs } };
}

/**
 * Resolves when the server has answered a statement that was given up, or the connection is gone. A pooler that loses its
 * client opens another connection to the server for the next one, and the one before goes on: so behind it a connection
 * is kept until it is of use to nobody.
 */
export function untilAnswered(client: pg.ClientBase): Promise<void> {
  return new Promise((resolve) => {
    client.once('drain', resolve);
    client.once('end', resolve);
  });
}

import type pg from 'pg';
import type { ChangeFeed, ChangeListener } from '../rotation/change-feed.js';
import { readChanges } from './change-payload.js';
import { connectClient, type Connection } from './connector.js';
import type { Database } from './database.js';
import type { TokenSchema } from './schema.js';
import { servedBy } from './stalled.js';
import { channelOf, triggerName } from './own-schema.js';

/**
 * Why nothing is heard. `triggers_old`: they are of an earlier release, or compare another column. `not_installed`: there are no triggers, which is a choice and no fault. `user_view`: users are
 * in a view, and no trigger tells of what that reads.
 */
export type Deafness =
  'not_installed' | 'triggers_missing' | 'triggers_old' | 'user_view' | 'pooler' | 'unreachable' | 'stopped';

export interface ChangeFeedOptions {
  /** A direct one: what is told to a session is lost behind a pooler. */
  readonly connection: Connection;
  /** The pool: asked whether there is anything to listen to, before a connection is spent on it. */
  readonly database: Database;
  readonly schema: TokenSchema;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  /** It can be relied on from now on, or no longer. */
  readonly onChange: (state: 'alive' | Deafness) => void;
}

/**
 * Four beats a second. One that isn't answered in three of them is the end of a connection, and after four the feed
 * is not to be relied on, whatever this process was doing meanwhile: so a loss is known within a second.
 */
const BEAT_EVERY_MS = 250;
const BEAT_TIMEOUT_MS = 750;
export const STALE_MS = 1_000;

const CONNECT_TIMEOUT_MS = 2_000;

/** A goodbye that nobody takes must not hold up the next connection. */
const END_TIMEOUT_MS = 500;

/** Reconnects are jittered, or a restart would be met by all instances at once. */
const RECONNECT_FIRST_MS = 50;
const RECONNECT_MAX_MS = 2_000;

/** How soon it is noticed that `migrate --notify` has been run. */
const LOOK_AGAIN_MS = 5_000;

/**
 * Hears what the triggers of `migrate --notify` tell, on a connection of its own.
 *
 * A notification is sent to a session before the answer to what that session asks next. So a beat that is answered
 * says that all was heard that had been committed when it was asked; and it looks at the triggers by the way.
 */
export class PgChangeFeed implements ChangeFeed {
  readonly #options: ChangeFeedOptions;
  readonly #listeners: ChangeListener[] = [];
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Ends the connection that is there. */
  #renewing = new AbortController();
  #beatAtMs = -Infinity;
  #state: 'alive' | Deafness | undefined;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
  }

  get alive(): boolean {
    return this.#state === 'alive' && this.#options.monotonicMs() - this.#beatAtMs < STALE_MS;
  }

  /** Why it isn't alive, or that it is. */
  get state(): 'alive' | Deafness {
    if (this.#state === 'alive') return this.alive ? 'alive' : 'unreachable';
    return this.#state ?? 'unreachable';
  }

  subscribe(listener: ChangeListener): void {
    this.#listeners.push(listener);
    if (this.alive) listener.onAlive();
  }

  /** Listens until it is stopped; whatever fails is tried again. */
  start(): void {
    this.#running = this.#run();
  }

  /** Listens over a new connection. */
  renew(): void {
    this.#renewing.abort();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopping.signal.aborted) {
      const deaf = await this.#listen(() => (failures = 0));
      this.#become(deaf);
      const backoffMs = Math.min(RECONNECT_MAX_MS, RECONNECT_FIRST_MS * 2 ** Math.min(failures++, 10));
      await this.#sleep(
        (deaf === 'unreachable' ? backoffMs : LOOK_AGAIN_MS) * (0.5 + this.#options.random() / 2),
      );
    }
  }

  /** One connection's life; returns why it ended. */
  async #listen(onAlive: () => void): Promise<Deafness> {
    const { connection, database, schema } = this.#options;
    const look = triggersSql(schema);
    let client: pg.Client | undefined;
    try {
      const [found] = await database.query<Installed>('health', look);
      if (found === undefined || found.count === 0) return 'not_installed';
      if (schema.users?.kind === 'view') return 'user_view';
      client = await connectClient(connection, 'carelink-tokens listen', BEAT_TIMEOUT_MS, CONNECT_TIMEOUT_MS);
      if ((await servedBy(client)).pooled) return 'pooler';
      const ended = (this.#renewing = new AbortController());
      client.on('end', () => ended.abort());
      client.on('error', () => ended.abort());
      client.on('notification', ({ payload = '' }) => this.#hear(payload));
      await client.query(`LISTEN ${channelOf(schema.own)}`);
      for (let first = true; !this.#stopping.signal.aborted && !ended.signal.aborted; first = false) {
        const sentAtMs = this.#options.monotonicMs();
        const { rows } = await client.query<Installed>({ text: look.text, values: [...look.values] });
        // A server that takes no writes hears of none: it was the primary, or is one that is fenced.
        if (rows[0]?.read_only === true) return 'unreachable';
        if (rows[0]?.complete !== true) return 'triggers_missing';
        if (rows[0].current === false) return 'triggers_old';
        this.#beatAtMs = sentAtMs;
        // What happened before this connection listened, nobody has heard.
        if (first) this.#become('alive');
        onAlive();
        await this.#sleep(BEAT_EVERY_MS, ended.signal);
      }
      return this.#stopping.signal.aborted ? 'stopped' : 'unreachable';
    } catch {
      return 'unreachable';
    } finally {
      this.#beatAtMs = -Infinity;
      const bound = new Promise<void>((resolve) => setTimeout(resolve, END_TIMEOUT_MS).unref());
      await Promise.race([client?.end().catch(() => undefined), bound]);
    }
  }

  #become(state: 'alive' | Deafness): void {
    if (state === this.#state) return;
    const wasAlive = this.#state === 'alive';
    this.#state = state;
    if (state === 'alive') for (const listener of this.#listeners) listener.onAlive();
    else if (wasAlive) for (const listener of this.#listeners) listener.onLost();
    this.#options.onChange(state);
  }

  #hear(payload: string): void {
    const changes = readChanges(payload);
    for (const listener of this.#listeners) {
      if (changes === 'anything') {
        listener.onLost();
        if (this.#state === 'alive') listener.onAlive();
      } else {
        for (const change of changes) listener.onChange(change);
      }
    }
  }

  /** Until the time is over, it is stopped, or the signal fires. */
  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const signals = [this.#stopping.signal, ...(signal === undefined ? [] : [signal])];
    return new Promise((resolve) => {
      if (signals.some(({ aborted }) => aborted)) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        for (const one of signals) one.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms).unref();
      for (const one of signals) one.addEventListener('abort', done);
    });
  }
}

interface Installed {
  /** Of the triggers that this server needs, how many are there and switched on. */
  readonly count: number;
  readonly complete: boolean;
  readonly read_only: boolean;
  /** They tell of passwords, in the column that is compared; absent where none is. */
  readonly current?: boolean;
}

/** Which triggers there must be: the users' only where users are checked. */
function triggersSql(schema: TokenSchema): { readonly text: string; readonly values: readonly string[] } {
  const { own } = schema;
  const needed = [
    [schema.blacklisted, triggerName(own, 'blacklisted')],
    [`${own}.revoked_before`, triggerName(own, 'revoked')],
    ...(schema.users === undefined
      ? []
      : [
          [schema.users.name, triggerName(own, 'users_changed')],
          [schema.users.name, triggerName(own, 'users_deleted')],
        ]),
  ];
  const password = schema.users?.passwordHash === undefined ? undefined : schema.users.columns.password;
  const rows = needed.map((_, n) => `($${2 * n + 1}, $${2 * n + 2})`).join(', ');
  return {
    text: `
      SELECT count(t.oid)::int AS count, count(t.oid) = count(*) AS complete,
             current_setting('transaction_read_only') = 'on' AS read_only${password === undefined ? '' : currentSql(own, `$${2 * needed.length + 1}`)}
        FROM (VALUES ${rows}) AS needed (on_table, name)
        LEFT JOIN pg_trigger t
          ON t.tgrelid = to_regclass(needed.on_table) AND t.tgname = needed.name AND t.tgenabled IN ('O', 'A')`,
    values: [...needed.flat(), ...(password === undefined ? [] : [password])],
  };
}

/** From which version on the trigger on users tells of their passwords (migrations/0017_notify_passwords.sql). */
const TELLS_PASSWORDS = 2;

/** Its arguments are its version and the column. Of a trigger without any, the first version, NULL: that is `false`. */
function currentSql(own: string, column: string): string {
  const argument = (n: number): string => `split_part(encode(t.tgargs, 'escape'), '\\000', ${n})`;
  return `,
             coalesce(bool_or(t.tgnargs = 2 AND ${argument(1)} ~ '^[0-9]+$'
                      AND CASE WHEN ${argument(1)} ~ '^[0-9]{1,9}$' THEN ${argument(1)}::int >= ${TELLS_PASSWORDS} END
                      AND ${argument(2)} = encode(convert_to(${column}, 'UTF8'), 'escape'))
                      FILTER (WHERE needed.name = '${triggerName(own, 'users_changed')}'), false) AS current`;
}

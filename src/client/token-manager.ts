import { authenticatedFetch } from './authenticated-fetch.js';
import { bounded, sleep } from './bounded.js';
import { openChannel, type Channel, type Message } from './channel.js';
import { expiresAtMs, isExpired, isFresh, refreshAtMs } from './clock.js';
import { Endpoint } from './endpoint.js';
import { signedOut, TokenError } from './errors.js';
import { Events, type TokenEvents } from './events.js';
import { ENDED, Ledger } from './ledger.js';
import { exclusively } from './lock.js';
import type { TokenManagerOptions, TokenPair, TokenSnapshot } from './options.js';
import { Refresher } from './refresher.js';
import { newSessionId, type Session } from './session.js';
import { SessionState } from './state.js';
import { openStorage, type Storage } from './storage.js';
import { onWakeUps } from './wake-ups.js';
import { linkWorker, type WorkerLink } from './worker-link.js';

export { TokenError, type TokenErrorCode } from './errors.js';
export type { TokenEvents } from './events.js';
export type { ScheduleTokenRefresh, TokenRefreshed } from './messages.js';
export type { TokenManagerOptions, TokenPair, TokenSnapshot } from './options.js';
export type { StorageMode } from './storage.js';

/** How long a new tab waits for another one to tell it the session. */
const PEERS_MS = 300;
/** A worker that has not answered by then was killed, or can't reach the server. */
const WORKER_MS = 5_000;
/** So often the server is told of a log-out before the user is told that it couldn't be. */
const LOGOUT_TRIES = 3;

/**
 * The tokens of one log-in, shared by all tabs of an origin: refreshed once, whatever number of requests, tabs and
 * workers ask at once. Make one a page. On a server (no document) it is inert: signed out, and nothing runs.
 */
export class TokenManager {
  /** Fulfilled once it is known whether a reloaded or new tab has a session. Never rejects. */
  readonly ready: Promise<void>;
  readonly #options: TokenManagerOptions;
  readonly #events = new Events();
  readonly #storage: Storage;
  readonly #state: SessionState;
  readonly #ledger: Ledger;
  readonly #channel: Channel;
  readonly #endpoint: Endpoint;
  readonly #refresher: Refresher;
  readonly #lockName: string;
  readonly #cookie: boolean;
  #worker: WorkerLink | undefined;
  #stopWakeUps: () => void = () => undefined;
  #refreshing: Promise<void> | undefined;
  #refreshingId = '';
  #restoring = false;
  #waiting = 0;
  #disposed = false;
  #snapshot: TokenSnapshot;

  constructor(options: TokenManagerOptions = {}) {
    this.#options = options;
    const { storage = 'memory', refreshUrl = '/account/token/refresh/', userClaim = 'user_id' } = options;
    const name = `carelink-tokens:${options.name ?? refreshUrl}`;
    this.#cookie = storage === 'cookie';
    this.#lockName = name;
    this.#storage = openStorage(storage, name);
    this.#state = new SessionState(this.#storage, userClaim);
    this.#ledger = new Ledger(name);
    this.#endpoint = new Endpoint(refreshUrl, this.#cookie);
    this.#channel = openChannel(name, (message) => this.#onMessage(message));
    this.#refresher = new Refresher({
      state: this.#state,
      ledger: this.#ledger,
      channel: this.#channel,
      endpoint: this.#endpoint,
      lockName: name,
      patienceMs: this.#maxWaitMs,
      graceMs: options.reuseGraceMs ?? 10_000,
      random: Math.random,
      onRetry: (retryInMs) => this.#events.emit('failed', { error: undefined, retryInMs }),
      onExpired: (id) => this.#state.end(id) && this.#events.emit('expired', { session: id }),
      onEndedElsewhere: (id) => this.#endedElsewhere(id),
    });
    this.#snapshot = this.#look();
    this.#state.onChange(() => this.#changed());
    this.ready = typeof document === 'undefined' ? Promise.resolve() : this.#start(refreshUrl, name);
  }

  /** The current access token, perhaps expired; undefined where nobody is signed in. */
  getAccessToken(): string | undefined {
    return this.#state.current?.access || undefined;
  }

  /** Whether a token is of no more use, by the server's clock. The current one if none is given. */
  isTokenExpired(token: string = this.getAccessToken() ?? ''): boolean {
    return isExpired(token, this.#state.current?.skewMs ?? 0, Date.now());
  }

  /**
   * `fetch` as the signed-in user. Waits for a refresh where one is due; repeats once after a 401.
   *
   * @throws TokenError; AbortError where the caller's signal aborts, which nobody else notices
   */
  authenticatedFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    return authenticatedFetch(
      {
        allowedOrigins: this.#options.allowedOrigins ?? [],
        session: () => this.#state.current?.id,
        token: (signal, refused) => this.#token(signal, refused),
        worthAnother: (refused) =>
          refused !== this.getAccessToken() || !isFresh(this.#state.current, Date.now()),
      },
      input,
      init,
    );
  }

  /** Refreshes now, or joins the refresh that is under way. Resolves to the new access token. */
  async refreshAccessToken(): Promise<string> {
    await this.#refresh();
    return this.getAccessToken() ?? '';
  }

  /**
   * Begins a session with the tokens of a log-in. One that was here before is logged out first. In cookie mode the
   * refresh token is spent at once, and its successor is in a cookie.
   */
  async setTokens({ access, refresh }: TokenPair): Promise<void> {
    if (this.#state.current !== undefined) void this.logout();
    const id = newSessionId();
    const session: Session = { id, generation: 0, access, refresh, skewMs: 0 };
    this.#state.begin(session);
    await this.#ledger.begin(id);
    if (this.#cookie) await this.#refresh();
  }

  /**
   * Ends the session here and in all tabs, at once, and tells the server. Resolves to whether the server knows:
   * false where it could not be told, and the refresh token lives until it expires.
   */
  async logout(): Promise<boolean> {
    const session = this.#state.current;
    if (session === undefined) return true;
    this.#state.end(session.id);
    this.#channel.post({ kind: 'end', id: session.id });
    this.#events.emit('signedOut', { session: session.id, where: 'here' });
    await this.#ledger.advance(session.id, ENDED);
    // Behind a rotation that is under way, so that its cookie is the one that is sent.
    return exclusively(this.#lockName, sleep(3_000), async () => {
      for (let tries = 0; tries < LOGOUT_TRIES; tries++) {
        if (await this.#endpoint.blacklist(session)) return true;
        await sleep(500 * 2 ** tries);
      }
      return false;
    });
  }

  /** Calls `listener` on each such event, until the function that is returned is called. */
  on<Name extends keyof TokenEvents>(name: Name, listener: (detail: TokenEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** With getSnapshot: what React's useSyncExternalStore and its like take. Both are bound. */
  readonly subscribe = (listener: () => void): (() => void) => this.#events.on('changed', listener);

  readonly getSnapshot = (): TokenSnapshot => this.#snapshot;

  /** Lets go of everything; who waits is told. The session itself goes on in other tabs, and after a reload. */
  dispose(): void {
    this.#disposed = true;
    this.#stopWakeUps();
    this.#worker?.close();
    this.#channel.close();
    this.#state.nudge();
  }

  get #maxWaitMs(): number {
    return this.#options.maxWaitMs ?? 30_000;
  }

  async #start(refreshUrl: string, name: string): Promise<void> {
    const { serviceWorker, background = true } = this.#options;
    if (serviceWorker !== undefined) {
      this.#worker = linkWorker({
        url: serviceWorker,
        refreshUrl,
        name,
        cookie: this.#cookie,
        onTokens: (session) => void this.#state.adopt(session),
      });
    }
    this.#restoring = true;
    this.#changed();
    await this.#restore().catch(() => undefined);
    this.#restoring = false;
    this.#state.expect(undefined);
    this.#changed();
    if (this.#disposed) return;
    this.#stopWakeUps = onWakeUps(
      () => this.#check(background),
      () => this.#refresher.kick(),
    );
  }

  /** What a reloaded or new tab finds: its own storage, or what the other tabs tell. */
  async #restore(): Promise<void> {
    const state = this.#state;
    const kept = this.#storage.load();
    if (kept !== undefined && 'access' in kept) state.begin(kept);
    const id = kept?.id ?? (await this.#ledger.current());
    if (id === undefined) return;
    const entry = await this.#ledger.read(id);
    if (entry?.generation === ENDED) return void state.end(id);
    if (state.current !== undefined) return;
    state.expect(id);
    this.#channel.ask({ id, generation: -1 });
    if (await state.until(() => state.current !== undefined || this.#disposed, PEERS_MS)) return;
    if (!this.#cookie) return;
    state.begin({ id, generation: entry?.generation ?? 0, access: '', refresh: undefined, skewMs: 0 });
    await this.#refresh();
  }

  /** Looks whether the session has moved on or ended while this tab slept, and refreshes where it is time. */
  async #check(background: boolean): Promise<number> {
    const session = this.#state.current;
    if (session === undefined) return Infinity;
    const entry = await this.#ledger.read(session.id);
    if (entry?.generation === ENDED) this.#endedElsewhere(session.id);
    else if (entry !== undefined && entry.generation > session.generation) this.#channel.ask(session);
    if (background && refreshAtMs(session) <= Date.now() && !this.#state.moved(session)) {
      if (!(await this.#byWorker(session))) await this.#refresh();
    }
    const { current } = this.#state;
    return background && current !== undefined ? refreshAtMs(current) - Date.now() : Infinity;
  }

  async #byWorker(session: Session): Promise<boolean> {
    if (this.#worker?.schedule(session) !== true) return false;
    return this.#state.until(() => this.#state.moved(session), WORKER_MS);
  }

  /** A token to send a request with, in the session that is current when it is asked for. */
  async #token(signal: AbortSignal | undefined, refused?: string): Promise<string> {
    if (this.#restoring) await this.ready;
    const session = this.#state.current;
    if (this.#disposed) throw new TokenError('DISPOSED');
    if (session === undefined) throw signedOut();
    if (session.access !== refused && !isExpired(session.access, session.skewMs, Date.now())) {
      return session.access;
    }
    if (this.#waiting >= (this.#options.maxQueue ?? 1_000)) {
      throw new TokenError('QUEUE_FULL');
    }
    this.#waiting += 1;
    try {
      const refreshed = this.#refresh(this.#options.batchWindowMs);
      await bounded(refreshed, this.#maxWaitMs, tooLong, signal);
    } finally {
      this.#waiting -= 1;
    }
    const { current } = this.#state;
    if (current?.id !== session.id) throw signedOut();
    return current.access;
  }

  #refresh(windowMs = 0): Promise<void> {
    const session = this.#state.current;
    if (session === undefined) return Promise.reject(signedOut());
    if (this.#refreshing !== undefined && this.#refreshingId === session.id) return this.#refreshing;
    const running = (windowMs > 0 ? sleep(windowMs) : Promise.resolve())
      .then(() => this.#refresher.run(session))
      .catch((error: unknown) => {
        if (error instanceof TokenError && error.code !== 'SIGNED_OUT') {
          this.#events.emit('failed', { error, retryInMs: undefined });
        }
        throw error;
      })
      .finally(() => {
        if (this.#refreshing === running) this.#refreshing = undefined;
        this.#changed();
      });
    // Where all who waited have gone.
    running.catch(() => undefined);
    this.#refreshing = running;
    this.#refreshingId = session.id;
    this.#changed();
    return running;
  }

  #onMessage(message: Message): void {
    const { current } = this.#state;
    if (message.kind === 'session') this.#state.adopt(message.session);
    else if (message.kind === 'end') this.#endedElsewhere(message.id);
    else if (current?.id === message.id && current.generation > message.generation && current.access !== '') {
      this.#channel.post({ kind: 'session', session: current });
    }
  }

  #endedElsewhere(id: string): void {
    if (this.#state.end(id)) this.#events.emit('signedOut', { session: id, where: 'elsewhere' });
  }

  /** After every change: tells subscribers, where there is something to tell. */
  #changed(): void {
    const before = this.#snapshot;
    const now = this.#look();
    if (JSON.stringify(now) === JSON.stringify(before)) return;
    this.#snapshot = now;
    if (now.session === before.session && now.generation > before.generation) {
      this.#events.emit('refreshed', { generation: now.generation });
    }
    this.#events.emit('changed', undefined);
  }

  #look(): TokenSnapshot {
    const session = this.#state.current;
    const known = session !== undefined && session.access !== '';
    return {
      status: known ? 'signedIn' : this.#restoring || session !== undefined ? 'restoring' : 'signedOut',
      refreshing: this.#refreshing !== undefined,
      userId: this.#state.userId,
      accessExpiresAt: known ? expiresAtMs(session) : undefined,
      session: session?.id,
      generation: session?.generation ?? 0,
    };
  }
}

function tooLong(): never {
  throw new TokenError('UNAVAILABLE');
}

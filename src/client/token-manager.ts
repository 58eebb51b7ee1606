import { authenticatedFetch } from './authenticated-fetch.js';
import { keepFresh } from './background.js';
import { sleep } from './bounded.js';
import { openChannel, type Message } from './channel.js';
import { expiresAtMs, isExpired, isFresh } from './clock.js';
import { Endpoint } from './endpoint.js';
import { signedOut, TokenError } from './errors.js';
import { Events, type TokenEvents } from './events.js';
import { ENDED, Ledger } from './ledger.js';
import { exclusively } from './lock.js';
import type { TokenManagerOptions, TokenPair, TokenSnapshot } from './options.js';
import { refresher } from './refresher.js';
import { isSession, newSessionId, type Session } from './session.js';
import { sharedRefresh, type SharedRefresh } from './shared-refresh.js';
import { SessionState } from './state.js';
import { openStorage, type Storage } from './storage.js';
import type { TabParts } from './tab.js';
import { linkWorker, type WorkerLink } from './worker-link.js';

export { TokenError, type TokenErrorCode } from './errors.js';
export type { TokenEvents } from './events.js';
export type { ScheduleTokenRefresh, TokenRefreshed } from './messages.js';
export type { TokenManagerOptions, TokenPair, TokenSnapshot } from './options.js';
export type { StorageMode } from './storage.js';

/** How long a new tab waits for another one to tell it the session: 300 ms were too short where 20 tabs were busy. */
const PEERS_MS = 1_500;
/** The same in cookie mode, where it can help itself. */
const COOKIE_PEERS_MS = 300;
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
  readonly #tab: TabParts;
  readonly #endpoint: Endpoint;
  readonly #refresh: SharedRefresh;
  readonly #cookie: boolean;
  #worker: WorkerLink | undefined;
  #stopKeeping: () => void = () => undefined;
  #restoring = false;
  #disposed = false;
  #snapshot: TokenSnapshot;

  constructor(options: TokenManagerOptions = {}) {
    this.#options = options;
    const { storage, refreshUrl = '/account/token/refresh/', userClaim = 'user_id' } = options;
    const name = `carelink-tokens:${options.name ?? refreshUrl}`;
    this.#cookie = storage === 'cookie';
    this.#storage = openStorage(storage, name);
    this.#state = new SessionState(this.#storage, userClaim);
    this.#endpoint = new Endpoint(refreshUrl, this.#cookie);
    this.#tab = {
      state: this.#state,
      ledger: new Ledger(name),
      channel: openChannel(name, (message) => this.#onMessage(message)),
      lockName: name,
      patienceMs: options.maxWaitMs ?? 30_000,
      over: (id, how) => this.#over(id, how),
      failed: (error, retryInMs) => this.#events.emit('failed', { error, retryInMs }),
    };
    this.#refresh = sharedRefresh({
      ...this.#tab,
      refresh: refresher({
        ...this.#tab,
        endpoint: this.#endpoint,
        graceMs: options.reuseGraceMs ?? 10_000,
        random: Math.random,
      }),
      options,
    });
    this.#snapshot = this.#look();
    this.#state.onChange(() => this.#changed());
    this.ready = typeof document === 'undefined' ? Promise.resolve() : this.#start(refreshUrl);
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
        token: (signal) => this.#token(signal),
        tokenAfter: async (refused, signal) =>
          refused === this.getAccessToken() && isFresh(this.#state.current, Date.now())
            ? undefined
            : this.#token(signal, refused),
      },
      input,
      init,
    );
  }

  /** Refreshes now, or joins the refresh that is under way. Resolves to the new access token. */
  async refreshAccessToken(): Promise<string> {
    await this.#refresh.now();
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
    await this.#tab.ledger.begin(id);
    if (this.#cookie) await this.#refresh.now();
  }

  /**
   * Ends the session here and in all tabs, at once, and tells the server. Resolves to whether the server knows:
   * false where it could not be told, and the refresh token lives until it expires.
   */
  async logout(): Promise<boolean> {
    const session = this.#state.current;
    if (session === undefined) return true;
    this.#over(session.id, 'here');
    this.#tab.channel.post({ kind: 'end', id: session.id });
    await this.#tab.ledger.advance(session.id, ENDED);
    // Behind a rotation that is under way, so that its cookie is the one that is sent.
    return exclusively(
      this.#tab.lockName,
      () => sleep(3_000),
      async () => {
        for (let tries = 0; tries < LOGOUT_TRIES; tries++) {
          if (await this.#endpoint.blacklist(session)) return true;
          await sleep(500 * 2 ** tries);
        }
        return false;
      },
    );
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
    this.#stopKeeping();
    this.#worker?.close();
    this.#tab.channel.close();
    this.#state.nudge();
  }

  async #start(refreshUrl: string): Promise<void> {
    const { serviceWorker, background = true } = this.#options;
    if (serviceWorker !== undefined) {
      this.#worker = linkWorker({
        ...this.#tab,
        url: serviceWorker,
        refreshUrl,
        cookie: this.#cookie,
      });
    }
    this.#restoring = true;
    this.#changed();
    await this.#restore().catch(() => undefined);
    this.#restoring = false;
    this.#state.expect(undefined);
    this.#changed();
    if (this.#disposed) return;
    this.#stopKeeping = keepFresh({
      ...this.#tab,
      worker: this.#worker,
      background,
      refresh: () => this.#refresh.now(),
    });
  }

  /** What a reloaded or new tab finds: its own storage, or what the other tabs tell. */
  async #restore(): Promise<void> {
    const state = this.#state;
    const kept = this.#storage.load();
    if (isSession(kept)) state.begin(kept);
    const id = kept.id ?? (await this.#tab.ledger.current());
    if (id === undefined) return;
    const entry = await this.#tab.ledger.read(id);
    if (entry?.generation === ENDED) return void state.end(id);
    if (state.current !== undefined) return;
    state.expect(id);
    this.#tab.channel.ask({ id, generation: -1 });
    const found = (): boolean => state.current !== undefined || this.#disposed;
    if (await state.until(found, this.#cookie ? COOKIE_PEERS_MS : PEERS_MS)) return;
    if (!this.#cookie) return;
    state.begin({ id, generation: entry?.generation ?? 0, access: '', refresh: undefined, skewMs: 0 });
    await this.#refresh.now();
  }

  /** A token to send a request with, in the session that is current when it is asked for. */
  async #token(signal: AbortSignal, refused?: string): Promise<string> {
    if (this.#restoring) await this.#refresh.wait(signal, this.ready);
    const session = this.#state.current;
    if (this.#disposed) throw new TokenError('DISPOSED');
    if (session === undefined) throw signedOut();
    if (session.access !== refused && !isExpired(session.access, session.skewMs, Date.now())) {
      return session.access;
    }
    await this.#refresh.wait(signal);
    const { current } = this.#state;
    if (current?.id !== session.id) throw signedOut();
    return current.access;
  }

  #onMessage(message: Message): void {
    const { current } = this.#state;
    if (message.kind === 'session') this.#state.adopt(message.session);
    else if (message.kind === 'end') this.#over(message.id, 'elsewhere');
    else if (current?.id === message.id && current.generation > message.generation && current.access !== '') {
      this.#tab.channel.post({ kind: 'session', session: current });
    }
  }

  #over(session: string, how: 'here' | 'elsewhere' | 'expired'): void {
    if (!this.#state.end(session)) return;
    if (how === 'expired') this.#events.emit('expired', { session });
    else this.#events.emit('signedOut', { session, where: how });
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
      refreshing: this.#refresh.refreshing,
      userId: this.#state.userId,
      accessExpiresAt: known ? expiresAtMs(session) : undefined,
      session: session?.id,
      generation: session?.generation ?? 0,
    };
  }
}

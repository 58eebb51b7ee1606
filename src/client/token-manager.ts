import { authenticatedFetch } from './authenticated-fetch.js';
import { keepFresh } from './background.js';
import { sleep } from './bounded.js';
import { openChannel, type Message } from './channel.js';
import { endOf, expiresAtMs, isExpired, isFresh } from './clock.js';
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
import { linkWorker } from './worker-link.js';

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
  readonly #stop = new AbortController();
  /** The id of the session that a reloaded or new tab has found. */
  #found: string | undefined;
  #restoring = false;
  #snapshot: TokenSnapshot;

  constructor(options: TokenManagerOptions = {}) {
    this.#options = options;
    const {
      storage,
      refreshUrl = '/account/token/refresh/',
      userClaim = 'user_id',
      maxQueue = 1_000,
      maxWaitMs: patienceMs = 30_000,
      reuseGraceMs: graceMs = 10_000,
    } = options;
    const name = `carelink-tokens:${options.name ?? refreshUrl}`;
    this.#cookie = storage === 'cookie';
    const gone = this.#stop.signal;
    this.#storage = openStorage(storage, name);
    this.#state = new SessionState(this.#storage, userClaim, gone);
    this.#endpoint = new Endpoint(refreshUrl, this.#cookie);
    this.#tab = {
      state: this.#state,
      ledger: new Ledger(name),
      channel: openChannel(name, (message) => this.#onMessage(message)),
      lockName: name,
      gone,
      patienceMs,
      over: (id, how) => this.#over(id, how),
      failed: (error, retryInMs) => this.#events.emit('failed', { error, retryInMs }),
    };
    this.#refresh = sharedRefresh({
      ...this.#tab,
      refresh: refresher({
        ...this.#tab,
        endpoint: this.#endpoint,
        graceMs,
        random: Math.random,
      }),
      maxQueue,
    });
    this.#snapshot = this.#look();
    this.#state.onChange(() => this.#changed());
    this.ready = this.#start(refreshUrl);
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
    const { allowedOrigins = [] } = this.#options;
    return authenticatedFetch(allowedOrigins, (...asked) => this.#session(...asked), input, init);
  }

  /** Refreshes now, or joins the refresh that is under way. Resolves to the new access token. */
  async refreshAccessToken(): Promise<string> {
    if (!this.#state.current) await this.ready;
    await this.#refresh.now();
    return this.getAccessToken() ?? '';
  }

  /**
   * Begins a session with the tokens of a log-in. One that was here before is logged out first. In cookie mode the
   * refresh token is spent at once, and its successor is in a cookie.
   */
  async setTokens({ access, refresh, shared }: TokenPair): Promise<void> {
    if (this.#state.current) void this.logout();
    this.#restoring = false;
    const id = newSessionId();
    this.#state.begin({ id, generation: 0, access, refresh, skewMs: 0, shared });
    await this.#tab.ledger.begin(id);
    if (this.#cookie) await this.#refresh.now();
  }

  /**
   * Ends the session here and in all tabs, at once, and tells the server. Resolves to whether the server knows:
   * false where it could not be told, and the refresh token lives until it expires.
   */
  async logout(): Promise<boolean> {
    if (!this.#state.current) await this.ready;
    const session = this.#state.current;
    if (!session) return true;
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
    this.#stop.abort(new TokenError('DISPOSED'));
    this.#state.nudge();
    // What a refresh that is under way brings is for the other tabs.
    void Promise.allSettled([this.#refresh.running]).then(() => this.#tab.channel.close());
  }

  async #start(refreshUrl: string): Promise<void> {
    if (typeof document === 'undefined') return;
    const { serviceWorker: url, background = true, expiringMs = 300_000 } = this.#options;
    const worker = url ? linkWorker({ ...this.#tab, url, refreshUrl, cookie: this.#cookie }) : undefined;
    this.#restoring = true;
    this.#changed();
    await this.#restore().catch(() => undefined);
    this.#restoring = false;
    this.#state.expect();
    // Its first wake-up tells subscribers.
    keepFresh({
      ...this.#tab,
      worker,
      background,
      expiringMs,
      expiring: (session, endsAt) => this.#events.emit('expiring', { session, endsAt }),
      refresh: () => this.#refresh.now(),
    });
  }

  /** What a reloaded or new tab finds: its own storage, or what the other tabs tell. */
  async #restore(): Promise<void> {
    const state = this.#state;
    const kept = this.#storage.load();
    if (isSession(kept)) state.begin(kept);
    const id = (this.#found = kept.id ?? (await this.#tab.ledger.current()));
    if (!id) return;
    const entry = await this.#tab.ledger.read(id);
    if (entry?.generation === ENDED) state.end(id);
    else if (!state.current) await this.#join(id, entry?.generation ?? 0);
  }

  async #join(id: string, generation: number): Promise<void> {
    const state = this.#state;
    state.expect(id);
    this.#tab.channel.ask({ id, generation: -1 });
    if (await state.until(() => !!state.current, this.#cookie ? COOKIE_PEERS_MS : PEERS_MS)) return;
    if (!this.#cookie) return;
    state.begin({ id, generation, access: '', skewMs: 0 });
    await this.#refresh.now();
  }

  /** See SessionOf. While a session is restored it is that one; it is never one that began later. */
  async #session(signal: AbortSignal, refused?: Session): Promise<Session> {
    let id = (refused ?? this.#state.current)?.id;
    const look = (): Session => {
      if (this.#stop.signal.aborted) throw new TokenError('DISPOSED');
      const { current } = this.#state;
      if (!current || current.id !== id) throw signedOut();
      return current;
    };
    const isOfUse = ({ access, skewMs }: Session): boolean =>
      access !== refused?.access && !isExpired(access, skewMs, Date.now());
    if (refused && refused.access === this.getAccessToken() && isFresh(refused, Date.now())) return refused;
    if (!this.#restoring && isOfUse(look())) return look();
    // All of it is one waiting, with one bound.
    await this.#refresh.wait(signal, async () => {
      await this.ready;
      id ??= this.#found;
      if (!isOfUse(look())) await this.#refresh.now(this.#options.batchWindowMs);
    });
    return look();
  }

  #onMessage(message: Message): void {
    const { current } = this.#state;
    if (message.kind === 'session') this.#state.adopt(message.session);
    else if (message.kind === 'end') this.#over(message.id, 'elsewhere');
    else if (current?.id === message.id && current.generation > message.generation && current.access) {
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
    this.#events.emit('changed');
  }

  #look(): TokenSnapshot {
    const session = this.#state.current;
    const known = !!session?.access;
    const ends = session && endOf(session);
    return {
      status: known ? 'signedIn' : this.#restoring || session ? 'restoring' : 'signedOut',
      refreshing: !!this.#refresh.running,
      userId: this.#state.userId,
      accessExpiresAt: known ? expiresAtMs(session) : undefined,
      sessionEndsAt: ends && ends - session.skewMs,
      session: session?.id,
      generation: session?.generation ?? 0,
    };
  }
}

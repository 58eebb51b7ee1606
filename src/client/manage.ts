import { authenticatedFetch } from './authenticated-fetch.js';
import { keepFresh } from './background.js';
import { bounded } from './bounded.js';
import { openChannel, type Message } from './channel.js';
import { endsAtMs, expiresAtMs, isExpired, isFresh, leastMs } from './clock.js';
import { openEndpoint } from './endpoint.js';
import { signedOut, TokenError } from './errors.js';
import { openEvents, type SignedOutWhere } from './events.js';
import { ENDED, openLedger } from './ledger.js';
import { logOuts } from './log-outs.js';
import type { Members } from './members.js';
import type { TokenManagerOptions, TokenPair, TokenSnapshot } from './options.js';
import { refresher } from './refresher.js';
import { isSession, newSessionId, type Session } from './session.js';
import { sharedRefresh } from './shared-refresh.js';
import { sessionState } from './state.js';
import { openKept } from './storage.js';
import { catchUp, type Over } from './tab.js';

/** How long a new tab waits for another one to tell it the session: 300 ms were too short where 20 tabs were busy. */
const PEERS_MS = 1_500;
/** The same in cookie mode, where it can help itself. */
const COOKIE_PEERS_MS = 300;
/** A page shows nothing before it knows who is there, and without a server it would not know for half a minute. */
const READY_MS = 5_000;

/** What a TokenManager does. A closure and not a class, for every page loads it: nothing in it is reached by a long name. */
export function manage(options: TokenManagerOptions): Members {
  const {
    storage: mode,
    refreshUrl = '/account/token/refresh/',
    logoutUrl,
    allowedOrigins = [],
    serviceWorker,
    background = true,
    expiringMs = 300_000,
    batchWindowMs,
    maxQueue = 1_000,
    maxWaitMs: patienceMs = 30_000,
    reuseGraceMs: graceMs = 10_000,
    userClaim = 'user_id',
    idle,
    name: given = refreshUrl,
  } = options;
  // None on a server, where nothing runs.
  const name = (globalThis as Partial<typeof globalThis>).document ? `carelink-tokens:${given}` : '';
  const cookie = mode === 'cookie';
  const stop = new AbortController();
  const gone = stop.signal;
  const events = openEvents();
  const { on, emit } = events;
  // What is given wrongly is told to whoever gives it, before anything is opened.
  if (serviceWorker && typeof serviceWorker !== 'function') throw new TypeError('refreshWorker()');
  if (name) idle?.attach(name, gone, emit, over);
  const askWorker = name ? serviceWorker?.(name, refreshUrl, gone, (next) => state.adopt(next)) : undefined;
  const storage = openKept<Session>(() => sessionStorage, name);
  const state = sessionState(
    (session) => storage.save(session && (mode === 'session' ? session : { id: session.id })),
    userClaim,
    gone,
    events,
  );
  const mine = (id: string | undefined): Session | undefined =>
    state.current?.id === id ? state.current : undefined;
  const ledger = openLedger(name);
  const endpoint = openEndpoint(refreshUrl, cookie, logoutUrl);
  const channel = openChannel(name, (message) => {
    const { id } = message as Message & { readonly id: string };
    const session = mine(id);
    if (message.kind === 'session') state.adopt(message.session);
    else if (message.kind === 'paid') owed.owe(id);
    else if (message.kind === 'rest') {
      if (session && message.retryInMs > 0) state.restMs = message.retryInMs;
    } else if (message.kind === 'end') {
      // Whoever logged out may be gone before the server is told.
      if (session) owed.owe(id, session);
      void over(id, 'elsewhere');
    } else if (session && session.generation > message.generation && session.access) {
      channel.post({ kind: 'session', session });
    }
  });
  // With cookies where every tab finds them, for they are ids only; a token no longer than its tab. One on disk that nobody else
  // has would be worse than one that lives until it expires. No area at all throws, as one that is blocked does.
  const owed = logOuts(
    openKept(
      () => (cookie ? localStorage : mode === 'session' ? sessionStorage : undefined) as Storage,
      `${name}:owed`,
    ),
    cookie,
    { endpoint, ledger, channel },
  );
  const tab = {
    state,
    ledger,
    channel,
    endpoint,
    lockName: name,
    gone,
    patienceMs,
    graceMs,
    maxQueue,
    over,
    ...owed,
    idle,
    askWorker,
    background,
    expiringMs,
    emit,
  };
  const refresh = sharedRefresh({ ...tab, refresh: refresher(tab) });
  /** The id of the session that a reloaded or new tab has found. */
  let found: string | undefined;
  let restoring = false;
  let snapshot = look();
  on('nudged', changed);
  const ready = start();

  async function start(): Promise<void> {
    if (!name) return;
    restoring = true;
    changed();
    await restore().catch(() => undefined);
    restoring = false;
    state.expected = undefined;
    // Its first wake-up tells subscribers.
    keepFresh({ ...tab, refresh: refresh.now });
  }

  /** What a reloaded or new tab finds: its own storage, or what the other tabs tell. */
  async function restore(): Promise<void> {
    const kept = storage.load();
    if (isSession(kept)) state.begin(kept);
    const id = (found = kept.id ?? (await ledger.current()));
    if (!id) return;
    // Before it asks the others, who may answer at once; of no effect where it is here.
    state.expected = id;
    const { generation = 0 } = (await catchUp(tab, state.current ?? { id, generation: -1 })) ?? {};
    if (state.ended.has(id)) return;
    // At once where it is here.
    if (await state.until(() => !!state.current, cookie ? COOKIE_PEERS_MS : PEERS_MS)) return;
    if (!cookie) return;
    state.begin({ id, generation, access: '', skewMs: 0 });
    await refresh.now();
  }

  /** See SessionOf. While a session is restored it is that one; it is never one that began later. */
  async function sessionOf(signal: AbortSignal, refused?: Session): Promise<Session> {
    const { current } = state;
    let id = (refused ?? current)?.id;
    // Whoever slept looks first whether somebody else is here by now, or nobody any more.
    await (current && idle?.isDue ? catchUp(tab, current) : state.looking);
    const here = (): Session => {
      gone.throwIfAborted();
      const session = mine(id);
      if (!session) throw signedOut();
      return session;
    };
    const isOfUse = ({ access, skewMs }: Session): boolean =>
      access !== refused?.access && (state.ageMs < leastMs(access) || !isExpired(access, skewMs));
    if (refused && refused.access === getAccessToken() && isFresh(refused, Date.now())) return refused;
    if (!restoring && isOfUse(here())) return here();
    // All of it is one waiting, with one bound.
    await refresh.wait(signal, async () => {
      await ready;
      id ??= found;
      if (!isOfUse(here())) await refresh.now(batchWindowMs);
    });
    return here();
  }

  /** Where this tab logs out, all that must not be lost with the page is done when it returns. */
  function over(session: string, how: Over): Promise<boolean> | undefined {
    if (how === 'idle' && state.ended.has(session)) return undefined;
    let paid: Promise<boolean> | undefined;
    if (how === 'here' || how === 'idle') {
      // Without its token the server would refuse, and whoever has it would take that for told.
      owed.owe(session, mine(session) ?? (cookie ? { id: session } : undefined));
      paid = owed.pay();
      channel.post({ kind: 'end', id: session });
      void ledger.advance(session, ENDED);
    }
    const where = how === 'elsewhere' && idle?.isDue ? 'idle' : how;
    // A page that opens after the time was over has no session yet, and still is told why.
    if (state.end(session) || how === 'idle') {
      emit(where === 'expired' ? where : 'signedOut', { session, where: where as SignedOutWhere });
    }
    return paid;
  }

  /** After every change: tells subscribers, where there is something to tell. */
  function changed(): void {
    const before = snapshot;
    const now = look();
    idle?.follow(now.session);
    if (JSON.stringify(now) === JSON.stringify(before)) return;
    snapshot = now;
    if (now.session === before.session && now.generation > before.generation) {
      emit('refreshed', { generation: now.generation });
    }
    emit('changed');
  }

  function look(): TokenSnapshot {
    const session = state.current;
    const known = !!session?.access;
    return {
      status: known ? 'signedIn' : restoring || session ? 'restoring' : 'signedOut',
      refreshing: !!refresh.running,
      userId: state.userId,
      accessExpiresAt: known ? expiresAtMs(session) : undefined,
      sessionEndsAt: endsAtMs(session),
      session: session?.id,
      generation: session?.generation ?? 0,
    };
  }

  const getAccessToken = (): string | undefined => state.current?.access || undefined;

  return {
    ready: bounded(ready, READY_MS, () => undefined),
    getAccessToken,
    isTokenExpired: (token = getAccessToken() ?? '') => isExpired(token, state.current?.skewMs ?? 0),
    authenticatedFetch: (input, init) => authenticatedFetch(allowedOrigins, sessionOf, state, input, init),
    async refreshAccessToken() {
      if (!state.current) await ready;
      await refresh.now();
      return getAccessToken() ?? '';
    },
    async setTokens({ access, refresh: token, shared }: Partial<TokenPair>) {
      // Before a session that is here ends for it.
      if (!access || !token) throw new TypeError('setTokens');
      if (!name) return;
      if (cookie) {
        // One like the server's can't be had without https, in a frame of another site's page, or where the user refuses them.
        document.cookie = 'c~=1;secure;samesite=strict;max-age=1';
        if (!/c~=1/.test(document.cookie)) throw new TokenError('REFRESH_FAILED', 'cookie');
      }
      if (state.current) void over(state.current.id, 'here');
      restoring = false;
      const id = newSessionId();
      state.begin({ id, generation: 0, access, refresh: token, skewMs: 0, shared });
      // In a tab that knew nothing of it, it goes on under another user's eyes.
      const former = await ledger.begin(id);
      if (former && !state.ended.has(former)) void over(former, 'here');
      if (cookie) await refresh.now();
    },
    async logout() {
      if (!state.current) await ready;
      return (state.current && over(state.current.id, 'here')) ?? owed.pay();
    },
    on,
    subscribe: (listener) => on('changed', listener),
    getSnapshot: () => snapshot,
    dispose() {
      stop.abort(new TokenError('DISPOSED'));
      state.nudge();
      // What a refresh that is under way brings is for the other tabs.
      void Promise.allSettled([refresh.running]).then(() => channel.close());
    },
  };
}

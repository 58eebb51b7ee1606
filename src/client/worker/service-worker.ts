import { bounded, sleep } from '../bounded.js';
import { Endpoint } from '../endpoint.js';
import { Ledger } from '../ledger.js';
import { exclusively } from '../lock.js';
import type { ScheduleTokenRefresh, TokenRefreshed } from '../messages.js';

/**
 * Refreshes for pages that ask, and tells all of them. It remembers nothing and has no alarms: a worker is killed
 * after some 30 s of idleness, and at any moment besides. Killed in mid-refresh it leaves what a lost connection
 * leaves: the page that asked hears nothing and goes on by itself.
 */
declare const self: ServiceWorkerGlobalScope;

/** Until then before it expires a token is left alone. */
const LEAD_MS = 120_000;
const LOCK_MS = 3_000;
const ALL_MS = 20_000;

const parameters = new URL(self.location.href).searchParams;
const refreshUrl = new URL(parameters.get('refresh') ?? '../refresh/', self.location.href).href;
const name = parameters.get('name') ?? `carelink-tokens:${new URL(refreshUrl).pathname}`;
const endpoint = new Endpoint(refreshUrl, parameters.has('cookie'));
const ledger = new Ledger(name);
/** The server wants no refresh of that session before. */
let rest = { session: '', untilMs: 0 };

self.addEventListener('install', () => void self.skipWaiting());
self.addEventListener('message', (event) => {
  const data = event.data as Partial<ScheduleTokenRefresh> | null;
  if (data?.type !== 'SCHEDULE_TOKEN_REFRESH') return;
  event.waitUntil(bounded(answer(data), ALL_MS, () => undefined).catch(() => undefined));
});

async function answer(wanted: Partial<ScheduleTokenRefresh>): Promise<void> {
  const {
    refreshToken,
    shared,
    expirationTime = 0,
    leadTime = LEAD_MS,
    session = '',
    generation = 0,
  } = wanted;
  if (expirationTime - leadTime > Date.now()) return;
  await exclusively(
    name,
    () => sleep(LOCK_MS),
    async () => {
      if (rest.session === session && rest.untilMs > Date.now()) return;
      const entry = await ledger.read(session);
      // Logged out, or rotated since: the page has the news by another way, or asks for them.
      if (entry !== undefined && entry.generation > generation) return;
      const pair = await endpoint.refresh({ id: session, refresh: refreshToken, shared });
      if (pair.kind === 'again') rest = { session, untilMs: Date.now() + pair.afterMs };
      if (pair.kind !== 'pair') return;
      const message: TokenRefreshed = {
        type: 'TOKEN_REFRESHED',
        tokens: { access: pair.access, refresh: pair.refresh, shared, endsMs: pair.endsMs },
        session,
        generation: generation + 1,
        skewMs: pair.skewMs ?? 0,
      };
      // Told before it is written down: of the two moments to be killed in, the one that loses less.
      const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
      for (const page of pages) page.postMessage(message);
      if (session !== '') await ledger.advance(session, generation + 1);
    },
  );
}

import { bounded, sleep } from '../bounded.js';
import { openEndpoint } from '../endpoint.js';
import { openLedger, type Ledger } from '../ledger.js';
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

/** The server wants no refresh of that session before. */
let rest = { session: '', untilMs: 0 };
/** By name. */
const ledgers: Record<string, Ledger> = {};

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
    notAfter = Infinity,
  } = wanted;
  // All of it comes with the message: a worker that had an endpoint of its own sent it the tokens of another manager's.
  const refreshUrl = new URL(wanted.refreshUrl ?? '../refresh/', self.location.href);
  const name = wanted.name ?? `carelink-tokens:${refreshUrl.pathname}`;
  const endpoint = openEndpoint(refreshUrl.href, refreshToken === undefined);
  const ledger = (ledgers[name] ??= openLedger(name));
  if (expirationTime - leadTime > Date.now()) return;
  await exclusively(
    name,
    () => sleep(LOCK_MS),
    async () => {
      if (notAfter <= Date.now() || (rest.session === session && rest.untilMs > Date.now())) return;
      const entry = await ledger.read(session);
      // Logged out, or rotated since: the page has the news by another way, or asks for them.
      if (entry !== undefined && entry.generation > generation) return;
      const answer = await endpoint.refresh({ id: session, refresh: refreshToken, shared });
      if (answer.kind === 'again') rest = { session, untilMs: Date.now() + answer.afterMs };
      if (answer.kind !== 'pair') return;
      const { skewMs = 0, ...tokens } = answer.pair;
      const message: TokenRefreshed = {
        type: 'TOKEN_REFRESHED',
        tokens: { ...tokens, shared },
        session,
        generation: generation + 1,
        skewMs,
      };
      // Told before it is written down: of the two moments to be killed in, the one that loses less.
      const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
      for (const page of pages) page.postMessage(message);
      if (session !== '') await ledger.advance(session, generation + 1);
    },
  );
}

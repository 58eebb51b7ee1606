// What the page does, without a build: the client is the very file that `serve` offers to every app.
import { TokenManager } from '../client/token-manager.js';
import { refreshWorker } from '../client/worker.js';

const WORKER = '../client/service-worker.js';
const REFRESH = new URL('../refresh/', location.href).pathname;
const byId = (id) => document.getElementById(id);
const { refreshCookie } = await (await fetch('config')).json();

// The server knows one of two ways, so the choice is between what it can.
const allowed = refreshCookie ? ['cookie'] : ['memory', 'session'];
const wanted = new URLSearchParams(location.search).get('storage');
const storage = allowed.includes(wanted) ? wanted : allowed[0];
for (const input of byId('storage').querySelectorAll('input')) {
  input.disabled = !allowed.includes(input.value);
  input.checked = input.value === storage;
  input.addEventListener('change', () => (location.search = `?storage=${input.value}`));
}

byId('storage-hint').textContent =
  `For ${refreshCookie ? 'the others: serve without' : 'the cookie: serve with'} --refresh-cookie.`;

const manager = new TokenManager({ storage, refreshUrl: REFRESH, serviceWorker: refreshWorker(WORKER) });
const counts = { answered: 0, failed: 0, calls: 0 };
const send = window.fetch;
window.fetch = (input, init) => {
  const url = typeof input === 'string' ? input : (input.url ?? String(input));
  if (new URL(url, location.href).pathname === REFRESH) counts.calls += 1;
  return send(input, init);
};

function log(text) {
  const item = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString();
  item.append(time, text);
  byId('log').prepend(item);
  while (byId('log').children.length > 100) byId('log').lastChild.remove();
}

manager.on('refreshed', ({ generation }) => log(`refreshed: rotation ${generation}`));
manager.on('failed', ({ error, retryInMs }) =>
  log(error ? `refresh failed: ${error.message}` : `refresh to be repeated in ${Math.round(retryInMs)} ms`),
);
manager.on('expired', () => log('the session is over: log in again'));
manager.on('signedOut', ({ where }) => log(where === 'here' ? 'logged out' : 'logged out in another tab'));

const STATUS = { restoring: 'looking for a session', signedIn: 'signed in', signedOut: 'signed out' };
async function show() {
  const { status, userId, generation, accessExpiresAt, refreshing } = manager.getSnapshot();
  const leftMs = Math.max(0, (accessExpiresAt ?? 0) - Date.now());
  byId('status').textContent = refreshing ? 'refreshing' : STATUS[status];
  byId('user').textContent = userId === undefined ? '–' : `nurse ${userId}`;
  byId('generation').textContent = generation;
  byId('expiry').textContent =
    status !== 'signedIn' ? '–' : leftMs > 0 ? `${Math.ceil(leftMs / 1000)} s left` : 'expired';
  byId('life').value = status === 'signedIn' ? Math.min(100, leftMs / 600) : 0;
  for (const [name, count] of Object.entries(counts)) byId(name).textContent = count;
  byId('failed').classList.toggle('bad', counts.failed > 0);
  for (const id of ['logout', 'send', 'refresh']) byId(id).disabled = status !== 'signedIn';
  const registrations = (await navigator.serviceWorker?.getRegistrations()) ?? [];
  const active = registrations.some((one) => one.active !== null);
  byId('worker').textContent = active ? 'registered' : 'none';
  byId('kill').disabled = !active;
  byId('register').disabled = active;
}
manager.subscribe(() => void show());
setInterval(() => void show(), 500);
await show();

async function login(user) {
  const response = await fetch('login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user }),
  });
  if (!response.ok) return log(`log-in failed: ${response.status}`);
  await manager.setTokens(await response.json());
  log(`nurse ${user} logged in`);
}

async function many() {
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, () => manager.authenticatedFetch('whoami')),
  );
  const good = results.filter(({ value }) => value?.status === 200).length;
  counts.answered += good;
  counts.failed += results.length - good;
  log(`50 requests: ${good} answered, ${results.length - good} failed`);
  await show();
}

// Without a page in its scope, taking the registration away ends the worker at once, whatever it is doing.
async function kill() {
  for (const one of await navigator.serviceWorker.getRegistrations()) await one.unregister();
  log('worker killed');
  await show();
}

const on = (id, act) =>
  byId(id).addEventListener('click', () => Promise.resolve(act()).catch((error) => log(error.message)));
on('login-1', () => login(1));
on('login-2', () => login(2));
on('logout', async () => {
  if (!(await manager.logout())) log('the server could not be told of the log-out');
});
on('send', many);
on('refresh', () => manager.refreshAccessToken());
on('tab', () => void window.open(location.href, '_blank', 'noopener'));
on('kill', kill);
on('register', () => location.reload());

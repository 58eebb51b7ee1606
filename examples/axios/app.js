// A site with dj-rest-auth: the tokens are in cookies that no script can read, and the page may be on another origin
// than the API. The server: serve --cookie-style dj-rest-auth --cookie-name refresh --access-cookie-name access
// --cors-origin https://app.example.org (and SameSite=None; Secure, where the page is on another site).
import axios from 'axios';

// The meta element keeps this file the same in development and in production.
const baseURL = document.querySelector('meta[name="api"]')?.content ?? '/';
export const api = axios.create({ baseURL, withCredentials: true });

let refreshing;

/** One refresh for all requests that need one, however many they are. The cookies are the browser's. */
function refresh() {
  refreshing ??= send().finally(() => (refreshing = undefined));
  return refreshing;
}

async function send(tries = 5) {
  try {
    await api.post('account/token/refresh/', undefined, { isRefresh: true });
  } catch (error) {
    const { status, headers, data } = error.response ?? {};
    // 429: another refresh is in flight; 503: come again. The token is unspent: the same request once more. A throttle
    // means what it says, and is not waited for here.
    const again = status === 503 || (status === 429 && data?.code !== 'throttled');
    if (!again || tries <= 1) throw error;
    await new Promise((resolve) => setTimeout(resolve, 1000 * (Number(headers['retry-after']) || 1)));
    await send(tries - 1);
  }
}

api.interceptors.response.use(undefined, async (error) => {
  const { config, response } = error;
  if (response?.status !== 401 || config.isRefresh || config.isRepeated) throw error;
  await refresh();
  return api.request({ ...config, isRepeated: true });
});

const show = (id, text) => (document.getElementById(id).textContent = text);

document.getElementById('load').onclick = async () => {
  try {
    const { data } = await api.get('api/patients/');
    show('answer', JSON.stringify(data));
  } catch (error) {
    // 401 here means that the refresh was refused, too: time to log in.
    show('answer', `${error.response?.status ?? error.message}`);
    if (error.response?.status === 401) show('status', 'signedOut');
  }
};
document.getElementById('logout').onclick = async () => {
  await api.post('account/token/blacklist/', undefined, { isRefresh: true });
  show('status', 'signedOut');
};
show('status', 'ready');

/** What clients send to a site: each kind of request that tells one setting from another. */
import type { Django } from './django.js';

export const ORIGIN = 'https://app.example.org';
const JSON_TYPE = { 'content-type': 'application/json' };

export interface Traffic {
  /** Sends all of it to a URL; returns how many requests went to token endpoints. */
  send(url: string): Promise<number>;
  /**
   * How many seconds after its end the late token of the last sending came, by the second of Django's Date: several only
   * where the answer took longer than one.
   */
  readonly lateSeconds: readonly number[];
}

/** @param base where Django has the token endpoints */
export async function siteTraffic(django: Django, base = '/account/token'): Promise<Traffic> {
  const user = await django.makeUser();
  const inactive = await django.makeUser();
  await django.deactivateUser(inactive);
  const loggedOut = await django.mint(user);
  const ask = (url: string, path: string, body: object): Promise<Response> =>
    fetch(`${url}${base}/${path}/`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body) });
  const post = async (url: string, path: string, body: object): Promise<Record<string, string>> =>
    JSON.parse(await (await ask(url, path, body)).text()) as Record<string, string>;
  await post(django.url, 'blacklist', { refresh: loggedOut.refresh });
  let lateSeconds: readonly number[] = [];
  return {
    get lateSeconds() {
      return lateSeconds;
    },
    async send(url) {
      const { refresh } = await django.mint(user);
      const now = Math.floor(Date.now() / 1000);
      const lateExp = now - 5;
      const late = await django.mint(user, { exp: lateExp });
      const expired = await django.mint(user, { exp: now - 3_600 });
      const next = await post(url, 'refresh', { refresh });
      await post(url, 'refresh', { refresh });
      if (next['refresh'] !== undefined) await post(url, 'blacklist', { refresh: next['refresh'] });
      await post(url, 'refresh', { refresh: loggedOut.refresh });
      const askedMs = performance.now();
      const answer = await ask(url, 'refresh', { refresh: late.refresh });
      await answer.text();
      const tookSeconds = (performance.now() - askedMs) / 1000;
      const most = Date.parse(answer.headers.get('date') ?? '') / 1000 - lateExp;
      const least = Math.ceil(most - tookSeconds);
      lateSeconds = Array.from({ length: most - least + 1 }, (_, more) => least + more);
      await post(url, 'refresh', { refresh: expired.refresh });
      await post(url, 'refresh', { refresh: `${refresh}x` });
      await post(url, 'refresh', { refresh: (await django.mint(user)).access });
      await post(url, 'refresh', {});
      await post(url, 'refresh', { refresh: (await django.mint(inactive)).refresh });
      await post(url, 'verify', { token: next['access'] ?? 'none' });
      await post(url, 'verify', { token: loggedOut.refresh });
      await post(url, 'sliding/refresh', { token: await django.mintSliding(user) });
      await (await fetch(`${url}${base}/refresh/`)).text();
      const preflight = {
        origin: ORIGIN,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      };
      await (await fetch(`${url}${base}/refresh/`, { method: 'OPTIONS', headers: preflight })).text();
      return 14 + (next['refresh'] === undefined ? 0 : 1);
    },
  };
}

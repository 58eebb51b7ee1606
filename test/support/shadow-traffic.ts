/** What clients send to a site: each kind of request that tells one setting from another. */
import type { Django } from './django.js';

export const ORIGIN = 'https://app.example.org';
const JSON_TYPE = { 'content-type': 'application/json' };

export interface Traffic {
  /** Sends all of it to a URL; returns how many requests went to token endpoints. */
  send(url: string): Promise<number>;
}

/** @param base where Django has the token endpoints */
export async function siteTraffic(django: Django, base = '/account/token'): Promise<Traffic> {
  const user = await django.makeUser();
  const inactive = await django.makeUser();
  await django.deactivateUser(inactive);
  const loggedOut = await django.mint(user);
  const post = async (url: string, path: string, body: object): Promise<Record<string, string>> => {
    const answer = await fetch(`${url}${base}/${path}/`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify(body),
    });
    return JSON.parse(await answer.text()) as Record<string, string>;
  };
  await post(django.url, 'blacklist', { refresh: loggedOut.refresh });
  return {
    async send(url) {
      const { refresh } = await django.mint(user);
      const now = Math.floor(Date.now() / 1000);
      const late = await django.mint(user, { exp: now - 5 });
      const expired = await django.mint(user, { exp: now - 3_600 });
      const next = await post(url, 'refresh', { refresh });
      await post(url, 'refresh', { refresh });
      if (next['refresh'] !== undefined) await post(url, 'blacklist', { refresh: next['refresh'] });
      await post(url, 'refresh', { refresh: loggedOut.refresh });
      await post(url, 'refresh', { refresh: late.refresh });
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

/** The endpoints as a client calls them; the same at Django and here. */
import { json, send, type Reply } from './http.js';

const BASE = '/account/token';

export const refresh = (url: string, token: string) =>
  send(url, json(`${BASE}/refresh/`, { refresh: token }));
export const verify = (url: string, token: string) => send(url, json(`${BASE}/verify/`, { token }));
export const blacklist = (url: string, token: string) =>
  send(url, json(`${BASE}/blacklist/`, { refresh: token }));
export const slide = (url: string, token: string) => send(url, json(`${BASE}/sliding/refresh/`, { token }));

/** Whom Django takes the bearer of an access token for. */
export const whoami = (djangoUrl: string, access: string) =>
  send(djangoUrl, { method: 'GET', path: '/whoami/', headers: { authorization: `Bearer ${access}` } });

export function pairOf(reply: Reply): { access: string; refresh: string } {
  if (reply.status !== 200) throw new Error(`refused: ${reply.status} ${JSON.stringify(reply.body)}`);
  return reply.body as { access: string; refresh: string };
}

export const BLACKLISTED = { detail: 'Token is blacklisted', code: 'token_not_valid' };
export const VERIFY_BLACKLISTED = { non_field_errors: ['Token is blacklisted'] };
export const NO_ACTIVE_ACCOUNT = { detail: 'No active account found for the given token.' };

import { json, type Message } from '../http.js';
import type { World } from './world.js';

/** Which simplejwt is the measure. */
export type Compat = '5.2' | '5.5';

/** What was asked: a release of that compat, or the head of simplejwt after 5.5.1 (998eb63). */
export type Asked = Compat | 'head';

export interface Case {
  readonly name: string;
  /** Called once for each side, so that each side gets tokens of its own. */
  readonly message: (world: World) => Message | Promise<Message>;
}

const BASE = '/account/token';
export const REFRESH = `${BASE}/refresh/`;
export const VERIFY = `${BASE}/verify/`;
export const BLACKLIST = `${BASE}/blacklist/`;
export const SLIDING = `${BASE}/sliding/refresh/`;

/** Each endpoint and the one field that it reads. */
export const ENDPOINTS = [
  { path: REFRESH, field: 'refresh' },
  { path: VERIFY, field: 'token' },
  { path: BLACKLIST, field: 'refresh' },
  { path: SLIDING, field: 'token' },
] as const;

type Make<Value> = (world: World) => Value | Promise<Value>;

/** A JSON post of one token to an endpoint. */
export function token(path: string, name: string, make: Make<unknown>): Case {
  const field = ENDPOINTS.find((endpoint) => endpoint.path === path)!.field;
  return { name: `${path} ${name}`, message: async (world) => json(path, { [field]: await make(world) }) };
}

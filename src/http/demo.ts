import type { IncomingMessage } from 'node:http';
import { knownHost } from './admin.js';
import { asset, type Asset } from './assets.js';
import { forbidden, json, type Reply } from './respond.js';

/** What the page for trying it needs of the server. */
export interface Demo {
  /** The page's own files by name; `` is the page. */
  readonly files: ReadonlyMap<string, { readonly type: string; readonly body: string }>;
  readonly refreshCookie: boolean;
  /** The tokens of a log-in of one of the two users, without a password. */
  login(user: '1' | '2'): Promise<{ readonly access: string; readonly refresh: string }>;
  /** Whose access token that is; undefined where it is none that is good. */
  whoami(access: string): Promise<string | undefined>;
}

export interface DemoRoutes {
  readonly assets: ReadonlyMap<string, Asset>;
  /** Answers what is neither a file nor a token endpoint; undefined where it isn't the demo's. */
  answer(method: string, path: string, request: IncomingMessage): Promise<Reply> | undefined;
}

/** Enough for `{"user":1}`. */
const BODY_BYTES = 256;
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

export function demoRoutes(basePath: string, host: string, demo: Demo): DemoRoutes {
  const base = `${basePath}/demo/`;
  const local = (request: IncomingMessage): boolean =>
    knownHost(request.headers.host, host) && FORWARDED.every((name) => request.headers[name] === undefined);
  const refused = forbidden('The demo is for browsers on this machine, without a proxy.');
  const policy = "default-src 'self'; img-src data:; frame-ancestors 'none'";
  const assets = new Map(
    [...demo.files].map(([name, { type, body }]): [string, Asset] => {
      const file = asset(type, body, 'Content-Security-Policy', policy);
      return [base + name, { reply: (request) => (local(request) ? file.reply(request) : refused) }];
    }),
  );

  const login = async (request: IncomingMessage): Promise<Reply> => {
    const user = await userIn(request);
    if (user === undefined) return json(400, { error: 'There are the users 1 and 2.' }, 'bad_request');
    return json(200, { ...(await demo.login(user)) }, 'valid');
  };
  const whoami = async (request: IncomingMessage): Promise<Reply> => {
    const access = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const user = await demo.whoami(access);
    return user === undefined
      ? json(401, { error: 'This access token is not good.' }, 'invalid')
      : json(200, { user }, 'valid');
  };
  const config = json(200, { refreshCookie: demo.refreshCookie }, 'valid');
  const pages = new Map<string, (request: IncomingMessage) => Promise<Reply>>([
    [`POST ${base}login`, login],
    [`GET ${base}whoami`, whoami],
    [`GET ${base}config`, () => Promise.resolve(config)],
  ]);
  return {
    assets,
    answer(method, path, request) {
      const page = pages.get(`${method} ${path}`);
      if (page === undefined) return undefined;
      const site = request.headers['sec-fetch-site'] ?? 'same-origin';
      return local(request) && site === 'same-origin' ? page(request) : Promise.resolve(refused);
    },
  };
}

async function userIn(request: IncomingMessage): Promise<'1' | '2' | undefined> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > BODY_BYTES) return undefined;
  }
  const user = /"user"\s*:\s*"?([12])\b/.exec(text)?.[1];
  return user === '1' || user === '2' ? user : undefined;
}

import { pathsUnder } from '../../support/endpoint-paths.js';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { DEFAULT_LIMITS, type Limits } from '../../../src/http/limits.js';
import type { Asset } from '../../../src/http/assets.js';
import type { TrustedProxies } from '../../../src/http/client-address.js';
import type { Cors } from '../../../src/http/cors.js';
import type { HttpServer } from '../../../src/http/listener.js';
import type { CookieStyle } from '../../../src/http/cookies/style.js';
import { createPublicServer } from '../../../src/http/server.js';
import type { SimplejwtCompat } from '../../../src/http/simplejwt-texts.js';
import { accessLog } from '../../../src/observe/access-log.js';
import { createLog, type LogLevel } from '../../../src/observe/log.js';
import type { RequestOutcome, RouteName } from '../../../src/observe/requests.js';
import type { TokenService } from '../../../src/rotation/outcomes.js';
import { holdBytesToDocument, holdToDocument } from '../../support/held-to-document.js';
import type { RateLimit } from '../../../src/rotation/rate-limit.js';

export const ROTATED = {
  kind: 'rotated',
  access: 'aaa.bbb.ccc',
  refresh: 'ddd.eee.fff',
  claimedAtUs: 1_700_000_000_123_456,
  refreshExpiresAtSeconds: 1_700_000_000 + 43_200,
  replayed: false,
} as const;

/** Answers at once that all is well. */
const SERVICE: TokenService = {
  refresh: () => Promise.resolve(ROTATED),
  verify: () => Promise.resolve({ kind: 'valid' }),
  logout: () => Promise.resolve({ kind: 'logged_out' }),
  slide: () => Promise.resolve({ kind: 'slid', token: 'ggg.hhh.iii' }),
};

interface Observed {
  readonly route: RouteName;
  readonly outcome: RequestOutcome;
  readonly durationUs: number;
}

export interface Started {
  readonly server: HttpServer;
  readonly port: number;
  readonly url: string;
  readonly logged: string[];
  readonly observed: Observed[];
}

export async function start(
  options: {
    service?: Partial<TokenService>;
    compat?: SimplejwtCompat;
    limits?: Partial<Limits>;
    level?: LogLevel;
    basePath?: string;
    port?: number;
    tls?: { cert: string; key: string };
    cookies?: CookieStyle;
    assets?: ReadonlyMap<string, Asset>;
    cors?: Cors;
    proxies?: TrustedProxies;
    forgers?: RateLimit;
    accessLog?: 'off' | 'errors' | 'all';
  } = {},
): Promise<Started> {
  const logged: string[] = [];
  const observed: Observed[] = [];
  const log = createLog({
    level: options.level ?? 'debug',
    destination: { write: (line) => void logged.push(line) },
  });
  const server = createPublicServer({
    service: { ...SERVICE, ...options.service },
    paths: pathsUnder(options.basePath ?? '/account/token'),
    slidingEnd: 'refresh_exp',
    compat: options.compat ?? '5.5',
    tls: options.tls,
    cookies: options.cookies,
    assets: options.assets,
    proxies: options.proxies,
    forgers: options.forgers,
    accessLog: accessLog(options.accessLog ?? 'off', log),
    cors: options.cors,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    observe: {
      onRequest: (route, outcome, durationUs) => observed.push({ route, outcome, durationUs }),
      onRefused: () => undefined,
    },
    log,
  });
  const { url, port } = await server.listen('127.0.0.1', options.port ?? 0);
  holdToDocument(port, {
    port: 'public',
    basePath: options.basePath ?? '/account/token',
    except: [...(options.assets?.keys() ?? [])],
  });
  return { server, port, url, logged, observed };
}

export const REFRESH = '/account/token/refresh/';

/** The bytes of a request; `Host` and `Content-Length` are added. */
export function post(path: string, body: string, headers: Record<string, string> = {}): string {
  const all = {
    Host: 'test',
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

export async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** All that the server says until it closes its side. */
export async function readAll(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => (text += chunk));
  await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  socket.destroy();
  holdBytesToDocument(text);
  return text;
}

/** Sends bytes, closes the sending side, and returns all that comes back. */
export async function talk(port: number, bytes: string | Buffer): Promise<string> {
  const socket = await open(port);
  const answer = readAll(socket);
  socket.end(bytes);
  return answer;
}

/** A response with its Date taken out, which is the one thing that differs from run to run. */
export function undated(text: string): string {
  return text.replace(/Date: [^\r]+\r\n/g, '');
}

/** Waits until something holds, which is told by a condition and not by a clock. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

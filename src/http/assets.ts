import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { NOT_FOUND, Reply } from './respond.js';

/** A file that the public port serves as it is. */
export interface Asset {
  /** Answers GET and HEAD. */
  reply(request: IncomingMessage): Reply;
}

/**
 * @param headers more than the type and the caching, as a flat list of names and values
 */
export function asset(type: string, body: string, ...headers: string[]): Asset {
  // Asked for again each time, and answered with 304: a new version of the client must reach every page at once.
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  const common = ['ETag', tag, 'Cache-Control', 'no-cache', 'X-Content-Type-Options', 'nosniff', ...headers];
  const length = String(Buffer.byteLength(body));
  const whole = new Reply(200, ['Content-Type', type, 'Content-Length', length, ...common], body, 'valid');
  const unchanged = new Reply(304, common, '', 'valid');
  return {
    reply: ({ headers: sent }) => (sent['if-none-match']?.includes(tag) === true ? unchanged : whole),
  };
}

/** The browser's client: what `serve` offers under `client/`. */
export function clientAssets(
  basePath: string,
  files: Readonly<Record<'tokenManager' | 'idle' | 'worker' | 'serviceWorker', string>>,
): Map<string, Asset> {
  const script = 'text/javascript; charset=utf-8';
  return new Map([
    [`${basePath}/client/token-manager.js`, asset(script, files.tokenManager)],
    [`${basePath}/client/idle.js`, asset(script, files.idle)],
    [`${basePath}/client/worker.js`, asset(script, files.worker)],
    // So that an app may register it for its whole site, though it need not.
    [
      `${basePath}/client/service-worker.js`,
      asset(script, files.serviceWorker, 'Service-Worker-Allowed', '/'),
    ],
  ]);
}

/** How long those who verify may keep the keys: a new one should be among them that much before it signs. */
const KEYS_KEPT_SECONDS = 300;

/** Public keys as RFC 7517 has them, and 404 where keys are secrets. Asked for each time, since they may be renewed. */
export function jwksAsset(keys: () => readonly object[]): Asset {
  return {
    reply() {
      const list = keys();
      if (list.length === 0) return NOT_FOUND;
      const body = JSON.stringify({ keys: list });
      const headers = [
        'Content-Type', 'application/jwk-set+json',
        'Content-Length', String(Buffer.byteLength(body)),
        'Cache-Control', `public, max-age=${KEYS_KEPT_SECONDS}`,
        'X-Content-Type-Options', 'nosniff',
      ]; // prettier-ignore
      return new Reply(200, headers, body, 'valid');
    },
  };
}

import { readFileSync } from 'node:fs';
import type { ServeSettings } from '../config/settings.js';
import type { Demo } from '../http/demo.js';
import type { TokenCodec } from '../jwt/codec.js';
import type { DatabaseClock } from '../rotation/ports.js';
import { mintToken } from './tokens.js';

/** The page for trying it: its files, a log-in for everybody, and an endpoint that wants an access token. */
export function openDemo(
  settings: ServeSettings,
  currentCodec: () => TokenCodec,
  clock: DatabaseClock,
): Demo {
  const read = (name: string): string => readFileSync(new URL(`../demo/${name}`, import.meta.url), 'utf8');
  const { names } = settings.tokens;
  return {
    refreshCookie: settings.http.cookies?.style === 'own',
    files: new Map([
      ['', { type: 'text/html; charset=utf-8', body: read('demo.html') }],
      ['demo.css', { type: 'text/css; charset=utf-8', body: read('demo.css') }],
      ['demo.js', { type: 'text/javascript; charset=utf-8', body: read('demo.js') }],
    ]),
    async login(user) {
      const codec = currentCodec();
      const [access, refresh] = await Promise.all([
        mintToken(settings, codec, clock, 'access', user),
        mintToken(settings, codec, clock, 'refresh', user),
      ]);
      return { access, refresh };
    },
    async whoami(access) {
      const verdict = await currentCodec().verify(access, clock.nowUs());
      if (!verdict.ok || verdict.claims[names.tokenType] !== 'access') return undefined;
      return String(verdict.claims[names.userId]);
    },
  };
}

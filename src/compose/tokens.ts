import { isLoopback } from '../config/loopback.js';
import type { ServeSettings } from '../config/settings.js';
import type { KeySettings } from '../config/parts.js';
import { parseClaims } from '../jwt/claims-json.js';
import { decodeText } from '../jwt/compact.js';
import type { TokenCodec } from '../jwt/codec.js';
import { importKeySet, withChainKeys, type Keys, type KeySet } from '../jwt/key-set.js';
import type { Log } from '../observe/log.js';
import { createChain, type Chain } from '../rotation/chain.js';
import { passwordHashIn } from '../rotation/claims.js';
import type { RotationContext } from '../rotation/context.js';
import { accessSpan, refreshSpan } from '../rotation/lifetimes.js';
import type { DatabaseClock } from '../rotation/ports.js';

/** The keys that are configured, ready for use; weak ones are told of. */
export async function openKeys(
  settings: ServeSettings,
  signingKey: string,
  log: Log,
): Promise<{ readonly keys: Keys; readonly keySet: KeySet }> {
  const keys = withChainKeys(settings.keys, signingKey);
  const { keySet, warnings } = await importKeySet(keys, settings.tokens);
  for (const warning of warnings) log.warn('weak_key', { cause: warning });
  if (settings.database.kind === 'url' && settings.keys.chainKeys.length === 0) {
    log.info('chain_key_follows_signing_key', {
      cause:
        'pin CARELINK_CHAIN_KEY before the signing key is changed, or families that began before are not found',
    });
  }
  return { keys, keySet };
}

/** What the rotation room takes of a key set. */
export function partsOf({ codec, chainKeys }: KeySet): Pick<RotationContext, 'codec' | 'chain'> {
  return { codec, chain: createChain(chainKeys) };
}

/** The chain of the configured keys. */
export function chainOf(keys: KeySettings, signingKey: string): Chain {
  return createChain(withChainKeys(keys, signingKey).chainKeys);
}

/** Reads the hash of the password that a verified token holds; undefined where none is compared. */
export function passwordHashReader({
  tokens: { names },
}: Pick<ServeSettings, 'tokens'>): ((token: string) => string | undefined) | undefined {
  if (names.revoke === undefined) return undefined;
  return (token) => {
    const text = decodeText(token.split('.')[1] ?? '');
    const claims = text === undefined ? undefined : parseClaims(text);
    return claims && passwordHashIn(claims, names);
  };
}

/**
 * A token as a login would have given it.
 *
 * @param lifetimeSeconds undefined: as the settings have it
 */
export async function mintToken(
  settings: ServeSettings,
  codec: TokenCodec,
  clock: DatabaseClock,
  type: 'access' | 'refresh',
  userId: string,
  lifetimeSeconds?: number,
): Promise<string> {
  const { names } = settings.tokens;
  const nowUs = clock.nowUs();
  const jti = crypto.randomUUID().replaceAll('-', '');
  const start = Math.floor(nowUs / 1_000_000);
  const { issuedAtSeconds, expiresAtSeconds } =
    type === 'access'
      ? accessSpan(settings.tokens, nowUs, start, jti)
      : refreshSpan(settings.tokens, nowUs, start);
  return codec.sign({
    [names.tokenType]: type,
    exp: lifetimeSeconds === undefined ? expiresAtSeconds : issuedAtSeconds + lifetimeSeconds,
    iat: issuedAtSeconds,
    [names.jti]: jti,
    [names.userId]: userId,
  });
}

/** Long enough to read the page and paste the line. */
const SAMPLE_SECONDS = 15 * 60;

/** A token to try an embedded server with: only where the key is its own, and nobody else's machine can reach it. */
export async function sampleToken(
  settings: ServeSettings,
  codec: TokenCodec,
  clock: DatabaseClock,
): Promise<string | undefined> {
  const { host, socket } = settings.http;
  if (settings.keys.signingKey !== undefined || (socket === undefined && !isLoopback(host))) return undefined;
  return mintToken(settings, codec, clock, 'refresh', '1', SAMPLE_SECONDS);
}

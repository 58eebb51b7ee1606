import { ConfigError } from '../config/errors.js';
import type { ServeSettings } from '../config/settings.js';
import { planKeyChange } from '../jwt/key-change.js';
import { importKeySet, withChainKeys, type Keys } from '../jwt/key-set.js';

/** What a reload makes of the keys. */
export interface KeyRenewal {
  /** What is to be accepted by all first; undefined: nothing changes. */
  readonly accept: Keys | undefined;
  readonly use: Keys;
  /** For people. */
  readonly changed: readonly string[];
  /** Sentences for whoever runs the server. */
  readonly weaknesses: readonly string[];
  /** False: tokens of the signing key that was in use are refused from now on. */
  readonly keepsOld: boolean;
}

/**
 * Judges the keys that were read again beside those in use.
 *
 * @throws {ConfigError} or {KeyError} where they must not take their place
 */
export async function keyRenewal(
  inUse: Keys,
  { keys, tokens }: Pick<ServeSettings, 'keys' | 'tokens'>,
): Promise<KeyRenewal> {
  // The embedded database keeps the key that it made.
  const wanted = withChainKeys(keys, keys.signingKey ?? inUse.signingKey);
  const change = planKeyChange(inUse, wanted);
  if (change.kind === 'refused') throw new ConfigError([REFUSED[change.why]]);
  if (change.kind === 'none')
    return { accept: undefined, use: inUse, changed: [], weaknesses: [], keepsOld: true };
  const next = await importKeySet(change.use, tokens);
  const before = await importKeySet(inUse, tokens);
  // What is refused a token says best.
  const token = await before.keySet.codec.sign({ exp: PROBE_EXP_SECONDS });
  const verdict = await next.keySet.codec.verify(token, 0);
  return {
    accept: change.accept,
    use: change.use,
    changed: changesOf(inUse, change.use),
    weaknesses: next.warnings,
    keepsOld: verdict.ok,
  };
}

const PROBE_EXP_SECONDS = 1;

const REFUSED = {
  algorithm: '--algorithm can be changed by a restart only.',
  chain_key_dropped:
    'A chain key that is in use would be dropped, and log-outs would no longer reach what came of older tokens. Pin CARELINK_CHAIN_KEY and keep every key of its list; where none is pinned, it follows from the signing key: with HS* keep the old secret as --verifying-key-file.',
} as const;

function changesOf(a: Keys, b: Keys): string[] {
  const verifying = (keys: Keys): string => JSON.stringify(keys.verifyingKeys);
  const chain = (keys: Keys): string => keys.chainKeys.map((key) => key.toString('hex')).join();
  return [
    ...(a.signingKey === b.signingKey ? [] : ['the signing key']),
    ...(verifying(a) === verifying(b) ? [] : [`the verifying keys (${b.verifyingKeys.length} now)`]),
    ...(chain(a) === chain(b) ? [] : [`the chain keys (${b.chainKeys.length} now)`]),
  ];
}

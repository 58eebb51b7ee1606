import type { DoctorSettings } from '../config/settings.js';
import { databaseTarget } from './database-target.js';

/** What documentation, manifests and templates have where a secret goes. */
const PLACEHOLDER =
  /change[-_ ]?me|your[-_ ](secret|signing|key|password)|replace[-_ ]?(me|this)|^(password|secret|example)$/i;

/** Of random bytes 16 have that many different ones, but for one in 10^15. */
const DIFFERENT_BYTES_MIN = 8;

/** Names of the settings whose secret is a placeholder. The values are told to nobody. */
export function exampleSecrets(
  { database, redis, keys }: DoctorSettings,
  signingSecret: string | undefined,
): string[] {
  const password = database.kind === 'url' ? databaseTarget(database).password : undefined;
  const texts: readonly (readonly [name: string, text: string | undefined])[] = [
    ['The signing key', signingSecret],
    ['The password in --database-url', password],
    ['The password in --redis-url', redis?.password],
  ];
  const found = texts.flatMap(([name, text]) => (text !== undefined && PLACEHOLDER.test(text) ? [name] : []));
  const weak = keys.chainKeys.some((key) => new Set(key).size < DIFFERENT_BYTES_MIN);
  return weak ? [...found, 'CARELINK_CHAIN_KEY'] : found;
}

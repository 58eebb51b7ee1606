import type { Ask } from './database.js';
import { SchemaError, sqlStateOf } from './errors.js';

/** The hashes that a site may have of its users' passwords: simplejwt's own is MD5. */
export type PasswordHash = 'md5' | 'sha256' | 'sha512';

/** SQL of the hash in upper-case hex, as simplejwt writes it: of the UTF-8 bytes, whatever the database's encoding. */
export function passwordHashSql(text: string, hash: PasswordHash): string {
  const bytes = `convert_to(${text}, 'UTF8')`;
  return hash === 'md5' ? `upper(md5(${bytes}))` : `upper(encode(${hash}(${bytes}), 'hex'))`;
}

/**
 * Computes it once: where OpenSSL is bound to FIPS, MD5 fails, and every claim would fail of it.
 *
 * @throws SchemaError HASH_UNAVAILABLE
 */
export async function checkPasswordHash(ask: Ask, hash: PasswordHash): Promise<void> {
  try {
    await ask(`SELECT ${passwordHashSql(`'x'::text`, hash)} AS hash`, []);
  } catch (error) {
    // What has no code is a connection that broke.
    const code = sqlStateOf(error);
    if (code === undefined || code.startsWith('08') || code.startsWith('57')) throw error;
    throw new SchemaError(
      'HASH_UNAVAILABLE',
      `This PostgreSQL can't compute ${hash} (${code}), so no changed password would be noticed. Where it is bound to ` +
        'FIPS, MD5 is switched off: have Django write another hash, and name it with --revoke-claim-hash.',
    );
  }
}

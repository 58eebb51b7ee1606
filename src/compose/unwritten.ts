import { decodeClaim } from '../cache/claim-entry.js';
import type { Claim } from '../rotation/ports.js';
import type { Database } from '../store/database.js';
import { DeadLetters } from '../store/dead-letters.js';
import type { TokenSchema } from '../store/schema.js';
import { fittingUserKey } from '../store/user-key.js';

/** Letters that are read at once: a kilobyte or two each. */
const PAGE = 500;

/**
 * Rotations of a user that were answered and never written. Letters that nobody can read say of nobody that he is signed in.
 *
 * @param userKey in canonical form; undefined: of tokens that name nobody
 */
export async function lettersOf(
  database: Database,
  schema: TokenSchema,
  userKey: string | undefined,
): Promise<readonly Claim[]> {
  const box = new DeadLetters(database, schema);
  if (!(await box.ready())) return [];
  const ids = await box.ids();
  const mine: Claim[] = [];
  for (let at = 0; at < ids.length; at += PAGE) {
    for (const { entry } of await box.read(ids.slice(at, at + PAGE))) {
      const claim = decodeClaim(entry);
      if (claim === undefined) continue;
      const theirs = claim.userKey === undefined ? undefined : fittingUserKey(schema, claim.userKey);
      if (theirs === userKey) mine.push(claim);
    }
  }
  return mine;
}

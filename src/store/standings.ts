import { standingOf, type Standing, type WhoFacts } from '../rotation/standing.js';
import type { Ask } from './database.js';
import { arrayLiteral } from './quote.js';
import type { TokenSchema } from './schema.js';
import { passwordHashInput, passwordHashValues, whoColumns, whoJoin } from './who-sql.js';

/** Of whom a token is. */
export interface Judged {
  /** In canonical form. */
  readonly userKey: string | undefined;
  readonly startSeconds: number | undefined;
  /** The hash of the password that it holds. */
  readonly passwordHash: string | undefined;
}

/**
 * What a refresh would find of these tokens' users, in one statement and in their order.
 *
 * @throws what the database fails with
 */
export async function readStandings(
  ask: Ask,
  schema: TokenSchema,
  tokens: readonly Judged[],
): Promise<(Standing | 'claims_unfit')[]> {
  const hash = passwordHashInput(schema, '$3');
  const rows = await ask<WhoFacts>(
    `
      SELECT ${whoColumns(schema, 'i')}
        FROM unnest($1::text[], $2::bigint[]${hash.array}) WITH ORDINALITY AS i (user_key, iat${hash.column}, n)${whoJoin(schema, 'i')}
       ORDER BY i.n`,
    [
      arrayLiteral(tokens.map(({ userKey }) => userKey)),
      arrayLiteral(tokens.map(({ startSeconds }) => startSeconds)),
      ...passwordHashValues(schema, () => tokens.map(({ passwordHash }) => passwordHash)),
    ],
  );
  return rows.map((row) => {
    const standing = standingOf(row);
    return standing === 'good' && row.claims_fit === false ? 'claims_unfit' : standing;
  });
}

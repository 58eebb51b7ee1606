import { standingOf, type Standing, type WhoFacts } from '../rotation/standing.js';
import type { Database } from '../store/database.js';
import { arrayLiteral } from '../store/quote.js';
import type { TokenSchema } from '../store/schema.js';
import { passwordHashInput, passwordHashValues, whoColumns, whoJoin } from '../store/who-sql.js';

/**
 * What a refresh would find of these tokens' users, in one statement.
 *
 * @param tokens their user key, in canonical form, the start of their session, and the hash of the password that they hold
 * @throws what the database fails with
 */
export async function readStandings(
  database: Database,
  schema: TokenSchema,
  tokens: readonly {
    readonly userKey: string | undefined;
    readonly startSeconds: number | undefined;
    readonly passwordHash: string | undefined;
  }[],
): Promise<(Standing | 'claims_unfit')[]> {
  const hash = passwordHashInput(schema, '$3');
  const rows = await database.query<WhoFacts>('health', {
    text: `
      SELECT ${whoColumns(schema, 'i')}
        FROM unnest($1::text[], $2::bigint[]${hash.array}) WITH ORDINALITY AS i (user_key, iat${hash.column}, n)${whoJoin(schema, 'i')}
       ORDER BY i.n`,
    values: [
      arrayLiteral(tokens.map(({ userKey }) => userKey)),
      arrayLiteral(tokens.map(({ startSeconds }) => startSeconds)),
      ...passwordHashValues(schema, () => tokens.map(({ passwordHash }) => passwordHash)),
    ],
  });
  return rows.map((row) => {
    const standing = standingOf(row);
    return standing === 'good' && row.claims_fit === false ? 'claims_unfit' : standing;
  });
}

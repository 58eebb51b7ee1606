import { passwordHashSql } from './password-hash.js';
import { arrayLiteral, quoteIdentifier } from './quote.js';
import type { TokenSchema } from './schema.js';
import { activeSql, type UserSource } from './user-source.js';

/**
 * Who the user of a token is, and whether that user's tokens still count. Every statement that judges tokens has these
 * fragments and no others: the claim, the look-up, the write-behind, and what doctor asks.
 *
 * `input` is the alias of the statement's input, with the columns `user_key` (in canonical form) and `iat` (s), which is that of
 * the session's first token where a token says so. A
 * statement that has `whoColumns` has `whoJoin` behind its input.
 */

/** Claims of a user are put into every access token, which travels in a header (design rule 31). */
const MAX_CLAIMS_BYTES = 4096;

/**
 * The user's row, as `w`, where more is read of it than whether it says active, or where a view may have two of one key:
 * one row for each input in any case, for a second one would double the claim. Without a row `w.found` is false.
 *
 * Of two rows each must say active, and neither is believed in what else it says: `password` and `claims` are NULL, and
 * claims don't fit.
 *
 * @param wantsClaims SQL: whether an input wants claims at all; absent: each does
 */
export function whoJoin(schema: Pick<TokenSchema, 'users'>, input: string, wantsClaims?: string): string {
  const { users } = schema;
  if (users === undefined || !isJoined(users)) return '';
  const { password, claims } = users.columns;
  const read = [`coalesce(${activeSql(users, 'v')}, false) AS active`];
  const told = ['count(*) > 0 AS found', 'bool_and(u.active) AS active'];
  if (password !== undefined) {
    read.push(`v.${quoteIdentifier(password)}::text AS password`);
    told.push('CASE WHEN count(*) = 1 THEN min(u.password) END AS password');
  }
  if (claims !== undefined) {
    const column = `v.${quoteIdentifier(claims)}`;
    read.push(
      `${wantsClaims === undefined ? column : `CASE WHEN ${wantsClaims} THEN ${column} END`} AS claims`,
    );
    told.push(
      'CASE WHEN count(*) = 1 AND bool_and(u.fit) THEN min(u.text) END AS claims',
      'coalesce(count(*) = 1 AND bool_and(u.fit), false) AS fit',
    );
  }
  // OFFSET 0: what a view computes is computed once, however often it is asked for here.
  const rows = `SELECT ${read.join(', ')} FROM ${users.name} v
                WHERE v.${users.keyColumn} = ${input}.user_key::${users.keyType} OFFSET 0`;
  return `
      LEFT JOIN LATERAL (
        SELECT ${told.join(', ')}
          FROM (${claims === undefined ? rows : fitting(rows)}) u
      ) w ON true`;
}

/** Deeper than that JSON is refused by a client's parser before ours. */
const MAX_BRACKETS = 400;

/** Claims as text, and whether they can be put into a token: none, or an object that isn't too long or too deep. */
function fitting(rows: string): string {
  return `SELECT t.*, t.text IS NULL OR jsonb_typeof(t.claims) = 'object' AND octet_length(t.text) <= ${MAX_CLAIMS_BYTES}
                             AND length(t.text) - length(translate(t.text, '[{', '')) <= ${MAX_BRACKETS} AS fit
                  FROM (SELECT r.*, r.claims::text AS text FROM (${rows}) r OFFSET 0) t`;
}

function isJoined({ kind, columns }: UserSource): boolean {
  return kind === 'view' || columns.password !== undefined || columns.claims !== undefined;
}

/** Where users are, and where it is written down what was revoked. */
type Judging = Pick<TokenSchema, 'users' | 'own'>;

/** The facts, as columns of a SELECT; `standingOf` reads them. */
export function whoColumns(schema: Judging, input: string): string {
  return `${isActive(schema, input)} AS active,
           ${isRevoked(schema, input)} AS revoked${extraFacts(schema)
             .map(
               ({ name, sql }) => `,
           ${sql(input)} AS ${name}`,
             )
             .join('')}`;
}

/** The same columns, handed on from one CTE to the next. */
export function whoNames(schema: Pick<TokenSchema, 'users'>, row: string): string {
  return ['active', 'revoked', ...extraFacts(schema).map(({ name }) => name)]
    .map((name) => `${row}.${name}`)
    .join(', ');
}

/** The columns once more, as an answer has them: what speaks against a token is told where `unless` holds, claims always. */
export function whoTold(schema: Pick<TokenSchema, 'users'>, row: string, unless: string): string {
  const facts = ['active', 'revoked', ...extraFacts(schema).map(({ name }) => name)];
  return facts
    .map((name) =>
      name === 'claims' ? `${row}.claims` : `CASE WHEN ${unless} THEN ${row}.${name} END AS ${name}`,
    )
    .join(', ');
}

interface Fact {
  readonly name: string;
  readonly sql: (input: string) => string;
}

/** What is known of a user's row where it is joined. */
function extraFacts({ users }: Pick<TokenSchema, 'users'>): readonly Fact[] {
  if (users === undefined || !isJoined(users)) return [];
  const found: Fact = { name: 'found', sql: (input) => `(${input}.user_key IS NULL OR w.found)` };
  const facts =
    users.passwordHash === undefined ? [found] : [found, { name: 'changed', sql: isChanged(users) }];
  if (users.columns.claims === undefined) return facts;
  return [
    ...facts,
    { name: 'claims', sql: () => 'w.claims' },
    { name: 'claims_fit', sql: (input) => `(${input}.user_key IS NULL OR w.fit)` },
  ];
}

/** Whether the columns of `whoColumns` let a token be refreshed. */
export function isInGoodStanding({ users }: Pick<TokenSchema, 'users'>): string {
  return `active AND NOT revoked${users?.passwordHash === undefined ? '' : ' AND NOT changed'}${users?.columns.claims === undefined ? '' : ' AND claims_fit'}`;
}

/** The same, where nothing is told of the reason. */
export function inGoodStanding(schema: TokenSchema, input: string): string {
  const { users } = schema;
  const unchanged = users?.passwordHash === undefined ? '' : ` AND NOT ${isChanged(users)(input)}`;
  return `${isActive(schema, input)} AND NOT ${isRevoked(schema, input)}${unchanged}`;
}

/**
 * Whether a token was made for another password than its user has (rule 29). One that holds no hash was, to Django; a
 * token that names no user has none that could have changed.
 */
function isChanged({ passwordHash }: UserSource): (input: string) => string {
  if (passwordHash === undefined) return () => 'false';
  const hash = passwordHashSql('w.password', passwordHash);
  return (input) =>
    `(coalesce(w.found, false) AND (${input}.password_hash IS NULL OR ${hash} IS DISTINCT FROM ${input}.password_hash))`;
}

/**
 * The input's column `password_hash`, last of all, where passwords are compared: the parameter that holds it, and its name.
 *
 * @param parameter such as `$10`
 */
export function passwordHashInput(
  { users }: Pick<TokenSchema, 'users'>,
  parameter: string,
): { readonly array: string; readonly column: string } {
  return users?.passwordHash === undefined
    ? { array: '', column: '' }
    : { array: `, ${parameter}::text[]`, column: ', password_hash' };
}

/** The values of that parameter: none where there is none. */
export function passwordHashValues(
  { users }: Pick<TokenSchema, 'users'>,
  hashes: () => readonly (string | undefined)[],
): readonly string[] {
  return users?.passwordHash === undefined ? [] : [arrayLiteral(hashes())];
}

/** True for a token that names no user: simplejwt checks none then. */
function isActive(schema: Pick<TokenSchema, 'users'>, input: string): string {
  const { users } = schema;
  if (users === undefined) return 'true';
  if (isJoined(users)) return `(${input}.user_key IS NULL OR coalesce(w.active, false))`;
  return `(${input}.user_key IS NULL OR EXISTS (
             SELECT 1 FROM ${users.name} u
              WHERE u.${users.keyColumn} = ${input}.user_key::${users.keyType} AND ${activeSql(users, 'u')}))`;
}

/**
 * The key under which `carelink.revoked_before` holds what goes for everybody. No token has it for its user: an empty
 * user id names none (`claims.ts`).
 */
export const EVERYBODY = '';

/** A token is as old as its session (rule 44), and one without iat as old as can be. What goes for everybody is read once a statement, not once a row. */
function isRevoked({ own }: Judging, input: string): string {
  const issued = `to_timestamp(coalesce(${input}.iat, 0))`;
  return `(EXISTS (SELECT 1 FROM ${own}.revoked_before r
                    WHERE r.user_key = ${input}.user_key AND ${issued} < r.at)
            OR coalesce(${issued} < (SELECT e.at FROM ${own}.revoked_before e WHERE e.user_key = '${EVERYBODY}'), false))`;
}

/** What `user_id` must hold for a token's user: the key itself, or the key of the row that it names. */
export function userIdOf(schema: TokenSchema, input: string): string {
  const { users } = schema;
  return users === undefined || users.keyColumn === users.primaryColumn
    ? `${input}.user_key::${schema.userIdType}`
    : existingUserIdOf(schema, input);
}

/** The same, and NULL where the user is gone: Django writes and blacklists such tokens as well. */
export function existingUserIdOf(schema: TokenSchema, input: string): string {
  const { users } = schema;
  if (users === undefined) return userIdOf(schema, input);
  return `(SELECT u.${users.primaryColumn} FROM ${users.name} u WHERE u.${users.keyColumn} = ${input}.user_key::${users.keyType}${onlyOne(users)})`;
}

/** Whether there is a user with the key: `userKey` is SQL of text, in canonical form. */
export function userIsThere({ name, keyColumn, keyType }: UserSource, userKey: string): string {
  return `EXISTS (SELECT FROM ${name} u WHERE u.${keyColumn} = ${userKey}::${keyType})`;
}

/** The way back: the key that tokens name, of a row's `user_id`. */
export function userKeyOf({ users }: TokenSchema, row: string): string {
  return users === undefined
    ? `${row}.user_id::text`
    : `(SELECT u.${users.keyColumn}::text FROM ${users.name} u WHERE u.${users.primaryColumn} = ${row}.user_id${onlyOne(users)})`;
}

/** A view may have two rows of one key, and a statement for many would fail for all of them. */
function onlyOne({ kind }: UserSource): string {
  return kind === 'view' ? ' LIMIT 1' : '';
}

/**
 * Whether a row may go, in SQL: its own expires_at, and every `exp` and `refresh_exp` in the JWT that it stores, are
 * not after the cutoff. Read in the database, because a million tokens would be 250 MB to fetch.
 *
 * It errs on one side only. What can't be read for certain stays: a payload that is no clean base64url, an `exp`
 * that is no whole number, a name that is spelt with escapes. A text that is no JWT at all can't be presented, and goes
 * by expires_at.
 */

/** What simplejwt's refresh tokens begin with, in base64: 30 bytes, so that what follows begins a group of its own. */
const USUAL_BEGINNING = Buffer.from('{"token_type":"refresh","exp":').toString('base64');

/** The characters of base64 that hold `exp"`, whatever bytes stand around it: one for each place in a group of three. */
const EXP_NAME = ['ZXhwI', 'V4cC', 'leHAi'];
/** Likewise of `\u00`: a JSON escape could spell a name otherwise. */
const ESCAPE = ['XHUwM', 'x1MD', 'cdTAw'];

/** The name of a claim that ends a token's life, and a value that is a whole number and nothing more. */
const WHOLE = String.raw`"(refresh_)?exp"\s*:\s*([0-9]{1,15})(?=[\s,}])`;
/** The same name with any value. */
const ANY = String.raw`"(refresh_)?exp"\s*:`;
/** A JSON escape for a character of ASCII, which no encoder writes; encode(…, 'escape') has doubled its backslash. */
const ODD_ESCAPE = String.raw`\\\\u00[2-7]`;

/**
 * @param row name of the outstanding table in the statement
 * @param cutoff SQL of a timestamptz
 * @param cutoffSeconds SQL of its whole seconds since 1970, rounded down
 */
export function mayGoSql(row: string, cutoff: string, cutoffSeconds: string): string {
  const payload = `split_part(${row}.token, '.', 2)`;
  const seconds = `left(extract(epoch FROM ${row}.expires_at)::text, 10)`;
  // LIKE: four times as fast as strpos, and this is asked for every row.
  const foreign = [...EXP_NAME, ...ESCAPE].map((letters) => `'%${letters}%'`).join(', ');
  return `(${row}.expires_at <= ${cutoff} AND CASE
      -- The usual one, which says what expires_at says and nothing else: told without decoding it.
      WHEN left(${payload}, 40) = '${USUAL_BEGINNING}'
       AND substr(${payload}, 41, 16) = encode(convert_to(${seconds} || ',"', 'UTF8'), 'base64')
       AND substr(${payload}, 57) NOT LIKE ALL (ARRAY[${foreign}]) THEN true
      -- No JWT.
      WHEN ${row}.token NOT LIKE '%.%.%' THEN true
      -- Not to be decoded without an error.
      WHEN ${row}.token !~ '^[^.]*[.][A-Za-z0-9_-]+[.][^.]*$' OR length(${payload}) % 4 = 1 THEN false
      ELSE (
        SELECT json !~ '${ODD_ESCAPE}'
           AND regexp_replace(json, '${WHOLE}', '', 'g') !~ '${ANY}'
           AND NOT EXISTS (SELECT FROM regexp_matches(json, '${WHOLE}', 'g') AS claim(part)
                            WHERE part[2]::bigint > ${cutoffSeconds})
          FROM (SELECT encode(decode(rpad(translate(${payload}, '-_', '+/'), (length(${payload}) + 3) / 4 * 4, '='),
                                     'base64'), 'escape') AS json
                OFFSET 0) AS decoded)
    END)`;
}

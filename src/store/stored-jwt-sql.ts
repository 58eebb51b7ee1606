import { START } from '../rotation/session-start.js';

/**
 * What the JWT in a row's `token` says, in SQL: a million tokens would be 250 MB to fetch. Columns of a row may say
 * something else: a project lengthens the token after `for_user` has made the row, or its Django has USE_TZ = False
 * and dates rows by its own zone.
 */

/** What simplejwt's refresh tokens begin with, in base64: 30 bytes, so that what follows begins a group of its own. */
const USUAL_BEGINNING = Buffer.from('{"token_type":"refresh","exp":').toString('base64');

/** The characters of base64 that hold `exp"`, whatever bytes stand around it: one for each place in a group of three. */
const EXP_NAME = ['ZXhwI', 'V4cC', 'leHAi'];
/** Likewise of `\u00`: a JSON escape could spell a name otherwise. */
const ESCAPE = ['XHUwM', 'x1MD', 'cdTAw'];

/** The last whole day that every Django can read, whatever its zone. */
const LAST_DATE_SECONDS = 253_402_128_000;

/** Clocks that disagree, or a token that waited: more than that is another zone. The smallest offset of one is 15 min. */
const ZONE = `interval '10 minutes'`;

function payloadSql(row: string): string {
  return `split_part(${row}.token, '.', 2)`;
}

/** Whether the token is the usual one and says what `expires_at` says, and nothing else: told without decoding it. */
export function isUsualSql(row: string): string {
  const payload = payloadSql(row);
  const seconds = `left(extract(epoch FROM ${row}.expires_at)::text, 10)`;
  // LIKE: four times as fast as strpos, and this is asked for every row.
  const foreign = [...EXP_NAME, ...ESCAPE].map((letters) => `'%${letters}%'`).join(', ');
  return `(left(${payload}, 40) = '${USUAL_BEGINNING}'
       AND substr(${payload}, 41, 16) = encode(convert_to(${seconds} || ',"', 'UTF8'), 'base64')
       AND substr(${payload}, 57) NOT LIKE ALL (ARRAY[${foreign}]))`;
}

/** Whether the payload can be decoded without an error. */
export function isDecodableSql(row: string): string {
  return `(${row}.token ~ '^[^.]*[.][A-Za-z0-9_-]+[.][^.]*$' AND length(${payloadSql(row)}) % 4 <> 1)`;
}

/** The payload's JSON with its backslashes doubled; only where isDecodableSql. */
export function payloadJsonSql(row: string): string {
  const payload = payloadSql(row);
  return `encode(decode(rpad(translate(${payload}, '-_', '+/'), (length(${payload}) + 3) / 4 * 4, '='), 'base64'), 'escape')`;
}

/** What simplejwt calls the end of a sliding token's refreshing, where a site doesn't call it otherwise. */
const USUAL_SLIDING_END = 'refresh_exp';

/**
 * A pattern of the names of claims that end a token's life. A site may have renamed the sliding one; tokens from before may
 * still be about.
 *
 * @param slidingEnd letters, digits and _ - . : / only
 */
export function endClaims(slidingEnd: string = USUAL_SLIDING_END): string {
  return slidingEnd === USUAL_SLIDING_END
    ? '(?:refresh_)?exp'
    : `(?:exp|refresh_exp|${slidingEnd.replaceAll('.', '[.]')})`;
}

/** The end of the token's life as it was stored, in seconds: the greatest of those claims. Null: it can't be read. */
export function storedExpSql(row: string, slidingEnd?: string): string {
  return `CASE WHEN ${isDecodableSql(row)} THEN (
      SELECT max(least(part[1]::bigint, ${LAST_DATE_SECONDS}))
        FROM regexp_matches(${payloadJsonSql(row)}, '"${endClaims(slidingEnd)}"\\s*:\\s*([0-9]{1,15})(?=[\\s,}.])', 'g') AS claim(part)) END`;
}

/** `iat` as it was stored, in seconds. Null: it can't be read. */
export function storedIatSql(row: string): string {
  return `CASE WHEN ${isDecodableSql(row)} THEN
      least(substring(${payloadJsonSql(row)} from '"iat"\\s*:\\s*([0-9]{1,15})(?=[\\s,}.])')::bigint, ${LAST_DATE_SECONDS}) END`;
}

/**
 * Until when a token may be presented that nobody has shown us: the greatest of its row's date and its JWT's.
 *
 * @param extra SQL of an interval: how much longer than their rows say tokens of this site may live
 */
export function mayLiveUntilSql(row: string, extra: string, slidingEnd?: string): string {
  return `CASE WHEN ${isUsualSql(row)} THEN ${row}.expires_at + ${extra}
               ELSE greatest(${row}.expires_at, to_timestamp(${storedExpSql(row, slidingEnd)}) + ${extra}) END`;
}

/** When a token was issued: the row's `created_at`, unless that is another zone's. Null: nobody knows. */
export function issuedAtSql(row: string): string {
  return `(SELECT CASE WHEN ${row}.created_at BETWEEN stored.iat - ${ZONE} AND stored.iat + ${ZONE} THEN ${row}.created_at
                       ELSE coalesce(stored.iat, ${row}.created_at) END
             FROM (SELECT to_timestamp(${storedIatSql(row)}) AS iat OFFSET 0) AS stored)`;
}

/** When the session of a token began, as far as it says so: null where it doesn't, or it can't be read. */
export function storedStartSql(row: string): string {
  return `CASE WHEN ${isDecodableSql(row)} THEN
      to_timestamp(least(substring(${payloadJsonSql(row)} from '"${START}"\\s*:\\s*([0-9]{1,15})(?=[\\s,}.])')::bigint, ${LAST_DATE_SECONDS})) END`;
}

/** When a token's session began: what it says itself, and never later than its own time. Null: nobody knows. */
export function startedAtSql(row: string): string {
  return `least(${issuedAtSql(row)}, ${storedStartSql(row)})`;
}

/** Whether `created_at` is another zone's than UTC: as with USE_TZ = False. */
export function isOffSql(createdAt: string, iat: string): string {
  return `(${createdAt} NOT BETWEEN ${iat} - ${ZONE} AND ${iat} + ${ZONE})`;
}

/**
 * Whether a database of this encoding can hold the text. PostgreSQL refuses the statement where it can't (22P05), and
 * with it everybody else's refresh in the same batch.
 *
 * @param encoding as `server_encoding` names it. Of encodings other than UTF8, SQL_ASCII (which converts nothing)
 *   and LATIN1 only ASCII is taken for certain: ids of tokens are hexadecimal, those of users mostly numbers.
 */
export function encodable(encoding: string, text: string): boolean {
  if (encoding === 'UTF8' || encoding === 'SQL_ASCII') return true;
  const last = encoding === 'LATIN1' ? 0xff : 0x7f;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > last) return false;
  return true;
}

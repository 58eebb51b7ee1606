import { isUtf8 } from 'node:buffer';
import { parseError, unsupportedMediaType, type Reply } from './respond.js';
import { tokenOf, type TokenField } from './fields.js';
import { pythonJsonFault } from './python-json.js';
import { pythonUtf8Fault } from './python-utf8.js';

/**
 * The token in a body, as DRF's three parsers find it, or the answer to what they couldn't take. Only multipart
 * is parsed asynchronously.
 *
 * @param absent in place of the answer that the field is required
 */
export function tokenInBody(
  contentType: string | undefined,
  body: Buffer,
  field: TokenField,
  absent?: string | Reply,
): string | Reply | Promise<string | Reply> {
  // Said before the type is looked at, as DRF does: an empty body is a dictionary of nothing.
  if (body.length === 0) return tokenOf({}, field, '', absent);
  if (contentType === 'application/json') return fromJson(body.toString('utf8'), body, field, absent);
  const type = contentType ?? '';
  switch (parserFor(type)) {
    case 'json':
      // DRF decodes by the charset that was named. It is UTF-8 nearly always; a token is ASCII in any case.
      return namesLatin1(type)
        ? fromJson(body.toString('latin1'), undefined, field, absent)
        : fromJson(body.toString('utf8'), body, field, absent);
    case 'form':
      return fromForm(body, field, absent);
    case 'multipart':
      return fromMultipart(type, body, field, absent);
    case undefined:
      return unsupportedMediaType(type);
  }
}

/** DRF's order and its wildcards: any type and `application/*` are taken for JSON. */
function parserFor(contentType: string): 'json' | 'form' | 'multipart' | undefined {
  const end = contentType.indexOf(';');
  const full = (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  const slash = full.indexOf('/');
  const main = slash < 0 ? full : full.slice(0, slash);
  const sub = slash < 0 ? '' : full.slice(slash + 1);
  const is = (type: string, subtype: string): boolean =>
    (main === type || main === '*') && (sub === subtype || sub === '*');
  if (is('application', 'json')) return 'json';
  if (is('application', 'x-www-form-urlencoded')) return 'form';
  if (is('multipart', 'form-data')) return 'multipart';
  return undefined;
}

function namesLatin1(contentType: string): boolean {
  return /;\s*charset\s*=\s*"?(?:iso-8859-1|iso8859-1|latin-?1)"?\s*(?:;|$)/i.test(contentType);
}

/** `bytes` where `text` was decoded from UTF-8. */
function fromJson(
  text: string,
  bytes: Buffer | undefined,
  field: TokenField,
  absent: string | Reply | undefined,
): string | Reply {
  // Decoding leaves U+FFFD where bytes were no UTF-8, so a text without it, which is nearly every one, is right.
  if (bytes !== undefined && text.includes('\ufffd')) {
    const fault = pythonUtf8Fault(bytes);
    if (fault !== undefined) return parseError(`JSON parse error - ${fault}`);
  }
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return parseError(`JSON parse error - ${pythonJsonFault(text)}`);
  }
  return tokenOf(data, field, text, absent);
}

function fromForm(body: Buffer, field: TokenField, absent: string | Reply | undefined): string | Reply {
  const text = body.toString(isUtf8(body) ? 'utf8' : 'latin1');
  // The separator in front keeps URLSearchParams from eating a `?` that belongs to the first name.
  return lastOf(new URLSearchParams(`&${text}`).getAll(field), field, absent);
}

async function fromMultipart(
  contentType: string,
  body: Buffer,
  field: TokenField,
  absent: string | Reply | undefined,
): Promise<string | Reply> {
  const wrong = 'Multipart form parse error -';
  if (!contentType.startsWith('multipart/')) {
    return parseError(`${wrong} Invalid Content-Type: ${contentType}`);
  }
  if (!/;\s*boundary=\s*"?[^\s";]/i.test(contentType)) {
    const found = /;\s*boundary=/i.test(contentType) ? '' : 'None';
    return parseError(`${wrong} Invalid boundary in multipart: ${found}`);
  }
  try {
    const headers = { 'content-type': contentType };
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- undici warns of it for it reads without a bound; this body has been read, within `Limits.bodyBytes`
    const form = await new Response(body, { headers }).formData();
    return lastOf(form.getAll(field), field, absent);
  } catch {
    // Django reads on over what is broken; here a broken body is said to be broken.
    return parseError(`${wrong} Invalid multipart body`);
  }
}

/** Of a name given more than once, Django's QueryDict gives the last. A file is not a string. */
function lastOf(values: unknown[], field: TokenField, absent: string | Reply | undefined): string | Reply {
  return tokenOf(values.length === 0 ? {} : { [field]: values.at(-1) }, field, '', absent);
}

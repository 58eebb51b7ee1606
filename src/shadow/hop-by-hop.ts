/**
 * Headers that mean one connection and not the message (RFC 9110, 7.6.1): those of the client's connection are not the
 * connection to Django's, and the other way round. `Expect` is answered here, `Trailer` names what is not handed on.
 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

/**
 * The headers of a message without those, as they came: their order, their letters, and each of several of one name.
 *
 * @param raw names and values in turn
 */
export function endToEnd(raw: readonly string[]): string[] {
  const named = connectionOptions(raw);
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || named?.has(lower) === true) continue;
    kept.push(name, value);
  }
  return kept;
}

/** What `Connection` names besides: rarely anything. */
function connectionOptions(raw: readonly string[]): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (raw[at]?.toLowerCase() !== 'connection') continue;
    for (const option of (raw[at + 1] ?? '').split(',')) {
      const name = option.trim().toLowerCase();
      // Whoever names Host or Content-Length there would take from the message what it can't be read without.
      if (name !== '' && !HOP_BY_HOP.has(name) && !NEVER_OF_A_HOP.has(name)) (named ??= new Set()).add(name);
    }
  }
  return named;
}

const NEVER_OF_A_HOP: ReadonlySet<string> = new Set([
  'close',
  'host',
  'content-length',
  'content-type',
  'cookie',
  'authorization',
]);

/** `X-Forwarded-For` with one more: whom this proxy heard. Its lines become one, where the first of them stood. */
export function withForwardedFor(headers: readonly string[], address: string): string[] {
  const told: string[] = [];
  const kept: string[] = [];
  let place: number | undefined;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [name = '', value = ''] = [headers[at], headers[at + 1]];
    if (name.toLowerCase() === 'x-forwarded-for') {
      place ??= kept.length;
      told.push(value);
    } else kept.push(name, value);
  }
  if (address === '') return headers.slice();
  kept.splice(place ?? kept.length, 0, 'X-Forwarded-For', [...told, address].join(', '));
  return kept;
}

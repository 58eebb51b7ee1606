import type { ValueKind } from './kinds.js';

/** HMAC-SHA256 under fewer than 128 bits would be the weakest part of the chain. */
const CHAIN_KEY_MIN_BYTES = 16;

/**
 * The text of a key, untouched: white space can be part of a secret. Where a variable holds bytes that are no UTF-8, Node
 * has put U+FFFD in their place: that would be another key.
 */
export const secretText: ValueKind<string> = {
  placeholder: 'text',
  allowed: 'the text of a key, in UTF-8',
  parse: (text) => (text.trim() === '' || text.includes('\uFFFD') ? undefined : text),
};

/**
 * A chain key, at least 16 bytes: hex, or base64 in either alphabet, with or without padding. A text of an even
 * number of hex digits is hex, though it would be base64 too: nobody draws such base64 by chance.
 */
export const chainKey: ValueKind<Buffer> = {
  placeholder: 'key',
  allowed: `keys of at least ${CHAIN_KEY_MIN_BYTES} bytes in hex or base64, separated by commas or white space, the newest first (make one with \`openssl rand -hex 32\`)`,
  parse(text) {
    const bytes = fromHex(text) ?? fromBase64(text);
    return bytes !== undefined && bytes.length >= CHAIN_KEY_MIN_BYTES ? bytes : undefined;
  },
};

function fromHex(text: string): Buffer | undefined {
  return /^(?:[0-9a-f]{2})+$/i.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** Buffer.from skips what it can't read, so only a text that comes out again as it went in was base64. */
function fromBase64(text: string): Buffer | undefined {
  const unpadded = text
    .replace(/={1,2}$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  const bytes = Buffer.from(unpadded, 'base64url');
  return bytes.toString('base64url') === unpadded ? bytes : undefined;
}

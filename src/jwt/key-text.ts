import { createPrivateKey, createPublicKey } from 'node:crypto';

export type JsonObject = Readonly<Record<string, unknown>>;

/** What a key's text is written in, before anybody asks whether it holds a key. */
export type KeyText =
  | { readonly form: 'pem'; readonly blocks: readonly PemBlock[] }
  | { readonly form: 'json'; readonly document: JsonObject }
  | { readonly form: 'ssh' }
  /** Base64 of a DER key: a PEM that lost its first and last line. */
  | { readonly form: 'der' }
  | { readonly form: 'other' };

export interface PemBlock {
  /** `PRIVATE KEY`, `CERTIFICATE`, ... */
  readonly label: string;
  /** The block alone, its lines as OpenSSL wants them. */
  readonly pem: string;
  readonly encrypted: boolean;
}

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g;
const SSH_KEY = /^(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) /;

/**
 * Tells what a text is. Forgives what environment variables do to a PEM: its line ends lost, doubled, turned into
 * spaces or into a backslash and an n.
 */
export function readKeyText(text: string): KeyText {
  const trimmed = text.trim();
  if (trimmed.includes('-----BEGIN ')) return { form: 'pem', blocks: pemBlocks(trimmed) };
  if (trimmed.startsWith('{')) {
    const document = jsonObject(trimmed);
    if (document !== undefined) return { form: 'json', document };
  }
  if (SSH_KEY.test(trimmed)) return { form: 'ssh' };
  return isBareDer(trimmed) ? { form: 'der' } : { form: 'other' };
}

/** Whether a JSON document is a JWK (RFC 7517, 4) or a set of them. */
export function isJwkDocument(document: JsonObject): boolean {
  return typeof document['kty'] === 'string' || Array.isArray(document['keys']);
}

function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [whole, label, body] of text.replaceAll(/\\r|\\n/g, '\n').matchAll(PEM_BLOCK)) {
    if (label === undefined || body === undefined) continue;
    // `openssl ecparam -genkey` writes the curve's name in a block of its own before the key, which has it too.
    if (label === 'EC PARAMETERS') continue;
    const encrypted = label === 'ENCRYPTED PRIVATE KEY' || body.includes('ENCRYPTED');
    const lines = body.replaceAll(/\s+/g, '').match(/.{1,64}/g) ?? [];
    const pem = [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
    blocks.push({ label, pem: encrypted ? whole : pem, encrypted });
  }
  return blocks;
}

function jsonObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The shortest DER key there is, an Ed25519 public key, has 44 bytes: 59 characters. No random secret parses as one. */
function isBareDer(text: string): boolean {
  if (text.length < 59 || !/^[A-Za-z0-9+/\s]+={0,2}$/.test(text)) return false;
  const key = Buffer.from(text, 'base64');
  const readers = [
    () => createPublicKey({ key, format: 'der', type: 'spki' }),
    () => createPublicKey({ key, format: 'der', type: 'pkcs1' }),
    () => createPrivateKey({ key, format: 'der', type: 'pkcs8' }),
    () => createPrivateKey({ key, format: 'der', type: 'pkcs1' }),
    () => createPrivateKey({ key, format: 'der', type: 'sec1' }),
  ];
  return readers.some((read) => {
    try {
      read();
      return true;
    } catch {
      return false;
    }
  });
}

import { createHmac, generateKeyPairSync } from 'node:crypto';
import { headerTexts, payloadBytes } from './mutated-parts.js';
import type { Random } from './random.js';

export const HMAC_ALGORITHMS = ['HS256', 'HS384', 'HS512'] as const;
export type HmacName = (typeof HMAC_ALGORITHMS)[number];

/** The two secrets a server accepts while keys rotate. */
export const SECRETS = [
  'the-signing-secret-that-has-64-bytes-so-that-even-HS512-is-happy',
  'a-verifying-secret-that-has-64-bytes-so-that-even-HS512-is-happy',
] as const;

/** The classic confusion: a public key, known to all, whose text signs an HS256 token. */
const publicPem = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
  type: 'spki',
  format: 'pem',
});

const WRONG_SECRETS = [
  publicPem.toString(),
  publicPem.toString().trim(),
  '\0',
  SECRETS[0].slice(1),
  SECRETS[0] + '\n',
];

export interface MutatedToken {
  readonly token: string;
  /** What was done to it, so that a failure can be understood. */
  readonly history: readonly string[];
}

/**
 * A token for `algorithm` with nothing to a few things wrong with it, in any of three places: before it is encoded,
 * after it is encoded but before it is signed (so that the signature is right and only the form is wrong), and after.
 */
export function mutatedToken(random: Random, algorithm: HmacName): MutatedToken {
  const history: string[] = [];
  const header = random.chance(0.75)
    ? `{"alg":"${algorithm}","typ":"JWT"}`
    : random.pick(headerTexts(algorithm));
  const payload = random.pick(payloadBytes(random));
  let segments = [Buffer.from(header), payload].map((part) => part.toString('base64url'));
  if (random.chance(0.12))
    segments = segments.map((segment) => mutateText(segment, random, history, 'unsigned'));

  const rightly = random.chance(0.9);
  const secret = rightly ? random.pick(SECRETS) : random.pick(WRONG_SECRETS);
  const signedAs = random.chance(0.95) ? algorithm : random.pick(HMAC_ALGORITHMS);
  history.push(`header ${header}`, `payload ${payload.toString('latin1')}`, `signed as ${signedAs}`);
  const signingInput = segments.join('.');
  const signature = createHmac(`sha${signedAs.slice(2)}`, secret)
    .update(signingInput)
    .digest();
  let signatureText = signature.toString('base64url');
  if (random.chance(0.12)) signatureText = mutateSignature(signature, random, history);

  let token = `${signingInput}.${signatureText}`;
  if (random.chance(0.12)) token = mutateText(token, random, history, 'signed');
  if (random.chance(0.05)) token = mutateDots(token, random, history);
  return { token, history };
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** Last: Ł is A, and U+1F531 ends on a 1, to whoever keeps only the low byte of a character. */
const STRANGE = [
  '=',
  '==',
  '+',
  '/',
  ' ',
  '\n',
  '\t',
  '\r',
  '\f',
  '\v',
  '\0',
  '%',
  ',',
  '\u00a0',
  '\ufeff',
  'é',
  'Ł',
  '🔱',
];

function mutateText(text: string, random: Random, history: string[], when: string): string {
  const at = random.below(text.length + 1);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  const mutations: Record<string, () => string> = {
    'drop a character': () => before + after.slice(1),
    'double a character': () => before + after.slice(0, 1) + after,
    'change a character': () => before + ALPHABET.charAt(random.below(64)) + after.slice(1),
    'insert a strange one': () => before + random.pick(STRANGE) + after,
    'replace by a strange one': () => before + random.pick(STRANGE) + after.slice(1),
    'low-byte alias': () => before + String.fromCharCode(after.charCodeAt(0) + 256 || 65) + after.slice(1),
    'append a strange one': () => text + random.pick(STRANGE),
    'prepend a strange one': () => random.pick(STRANGE) + text,
    'pad to four': () => text + '='.repeat((4 - (text.length % 4)) % 4),
    'stray bits in the last character': () => strayBits(text, random),
    'to base64': () => text.replaceAll('-', '+').replaceAll('_', '/'),
    'swap case': () => before + swapCase(after.slice(0, 1)) + after.slice(1),
    truncate: () => before,
    'truncate the front': () => after,
  };
  return apply(mutations, random, history, when);
}

function mutateSignature(signature: Buffer, random: Random, history: string[]): string {
  const flipped = Buffer.from(signature);
  const at = random.below(flipped.length);
  flipped[at] = flipped[at]! ^ (1 << random.below(8));
  const mutations: Record<string, () => string> = {
    'flip a bit': () => flipped.toString('base64url'),
    shorten: () => signature.subarray(0, at).toString('base64url'),
    lengthen: () =>
      Buffer.concat([signature, signature.subarray(0, 1 + random.below(32))]).toString('base64url'),
    'leave out': () => '',
    'in base64': () => signature.toString('base64'),
    'in hex': () => signature.toString('hex'),
    zeros: () => Buffer.alloc(signature.length).toString('base64url'),
    'stray bits': () => strayBits(signature.toString('base64url'), random),
  };
  return apply(mutations, random, history, 'signature:');
}

function mutateDots(token: string, random: Random, history: string[]): string {
  const parts = token.split('.');
  const at = random.below(token.length + 1);
  const mutations: Record<string, () => string> = {
    'dot anywhere': () => `${token.slice(0, at)}.${token.slice(at)}`,
    'dot in front': () => `.${token}`,
    'dot at the end': () => `${token}.`,
    'dots alone': () => '.'.repeat(random.below(5)),
    'empty a part': () => parts.with(random.below(parts.length), '').join('.'),
    'drop a part': () => parts.toSpliced(random.below(parts.length), 1).join('.'),
    'double a part': () =>
      parts.flatMap((part, i) => (i === at % parts.length ? [part, part] : [part])).join('.'),
    'reverse parts': () => parts.toReversed().join('.'),
    twice: () => token + token,
  };
  return apply(mutations, random, history, 'dots:');
}

function apply(
  mutations: Record<string, () => string>,
  random: Random,
  history: string[],
  when: string,
): string {
  const name = random.pick(Object.keys(mutations));
  history.push(`${when} ${name}`);
  return mutations[name]!();
}

/** Sets bits that a decoder throws away: the same bytes, another text. */
function strayBits(text: string, random: Random): string {
  const last = ALPHABET.indexOf(text.at(-1) ?? '');
  return last < 0 ? text : text.slice(0, -1) + ALPHABET[last ^ (1 + random.below(3))]!;
}

function swapCase(text: string): string {
  return text === text.toUpperCase() ? text.toLowerCase() : text.toUpperCase();
}

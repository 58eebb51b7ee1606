import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Algorithm, CodecOptions } from '../../../src/jwt/codec.js';
import { createCodec } from '../../../src/jwt/create-codec.js';
import { KeyError } from '../../../src/jwt/key-error.js';
import { ASYMMETRIC, keyPairFor, optionsFor, pkcs8, SECRET, spki, type KeyPair } from './codecs.js';

const rsa = keyPairFor('RS256');
const ec = keyPairFor('ES256');
const ec384 = keyPairFor('ES384');
const ed = keyPairFor('EdDSA');
const smallRsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
const ed448 = generateKeyPairSync('ed448');
const k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
const encrypted = rsa.privateKey
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
  .toString();
const encryptedPkcs1 = rsa.privateKey
  .export({ type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
  .toString();
const jwk = (key: KeyObject, more: object = {}): string =>
  JSON.stringify({ ...key.export({ format: 'jwk' }), ...more });
const bare = (pem: string): string => pem.replaceAll(/-----.*-----/g, '').trim();

async function failure(options: Partial<CodecOptions>): Promise<KeyError> {
  try {
    await createCodec(optionsFor(options));
  } catch (error) {
    if (error instanceof KeyError) return error;
    throw error;
  }
  throw new Error('the key was accepted');
}

describe('as an HMAC secret', () => {
  const publicTexts: [string, string][] = [
    ['an SPKI PEM', spki(rsa)],
    ['a PKCS#1 public PEM', rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()],
    ['an EC public PEM', spki(ec)],
    ['a PEM in one line', spki(rsa).replaceAll('\n', '\\n')],
    ['a PEM after white space', `\n ${spki(rsa)}`],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'],
    ['a private PEM', pkcs8(rsa)],
    ['a PEM cut short', spki(rsa).slice(0, 200)],
    ['a PEM without its first and last line', bare(spki(rsa))],
    ['an EC key without its first and last line', bare(spki(ec))],
    ['an Ed25519 key without its first and last line', bare(spki(ed))],
    ['a private key without its first and last line', bare(pkcs8(ec))],
    ['a public JWK', jwk(rsa.publicKey)],
    ['a JWK after white space', `\n  ${jwk(rsa.publicKey)}\n`],
    ['an SSH key after white space', '\n ssh-rsa AAAAB3NzaC1yc2E me@here'],
    ['a secret as a JWK', JSON.stringify({ kty: 'oct', k: 'AAAA' })],
    ['a JWKS', JSON.stringify({ keys: [rsa.publicKey.export({ format: 'jwk' })] })],
    ['an SSH key', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@here'],
    ['an ECDSA SSH key', 'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAA me@here'],
  ];

  it.each(publicTexts)('%s is refused, to sign or to verify', async (_name, text) => {
    expect((await failure({ signingKey: text })).code).toBe('KEY_NOT_A_SECRET');
    const verifying = await failure({ verifyingKeys: [text] });
    expect(verifying.code).toBe('KEY_NOT_A_SECRET');
    expect(verifying.message).toContain('verifying key 1');
  });

  it.each(['', ' ', '\n'])('an empty one is refused: %j', async (text) => {
    expect((await failure({ signingKey: text })).code).toBe('KEY_MISSING');
    expect((await failure({ verifyingKeys: [text] })).code).toBe('KEY_MISSING');
  });

  it.each(['{}', '{"a":1}', '{curly}', 'MIIB', 'a'.repeat(64), 'django-insecure-#1&k@b+$=(z_{]'])(
    'what only looks like a key a little is fine: %s',
    async (text) => expect(await createCodec(optionsFor({ signingKey: text }))).toBeDefined(),
  );

  it.each([
    ['HS256', 32],
    ['HS384', 48],
    ['HS512', 64],
  ] as const)('%s warns below %i bytes and is silent from there on', async (algorithm, bytes) => {
    const warningsOf = async (length: number): Promise<readonly string[]> =>
      (await createCodec(optionsFor({ algorithm, signingKey: 'k'.repeat(length) }))).warnings;
    expect(await warningsOf(bytes)).toEqual([]);
    expect(await warningsOf(bytes - 1)).toEqual([
      expect.stringContaining(`signing key has ${bytes - 1} bytes`),
    ]);
    expect(await warningsOf(1)).toHaveLength(1);
  });

  it('a short verifying secret, and white space at an end, are warned of, too', async () => {
    const { warnings } = await createCodec(
      optionsFor({ signingKey: `${SECRET}\n`, verifyingKeys: ['short'] }),
    );
    expect(warnings).toEqual([
      expect.stringContaining('signing key begins or ends with white space'),
      expect.stringContaining('verifying key 1 has 5 bytes'),
    ]);
  });
});

describe('as a signing key', () => {
  it.each<[string, Algorithm, string, KeyError['code']]>([
    ['nothing', 'RS256', '', 'KEY_MISSING'],
    ['a secret', 'RS256', SECRET, 'KEY_UNREADABLE'],
    ['a PEM cut short', 'RS256', pkcs8(rsa).slice(0, 400), 'KEY_UNREADABLE'],
    ['a PEM with a hole', 'RS256', pkcs8(rsa).replace(/\n.{64}\n/, '\n'), 'KEY_UNREADABLE'],
    ['a PEM without its first and last line', 'RS256', bare(pkcs8(rsa)), 'KEY_UNREADABLE'],
    ['an encrypted PKCS#8', 'RS256', encrypted, 'KEY_UNREADABLE'],
    ['an encrypted PKCS#1', 'RS256', encryptedPkcs1, 'KEY_UNREADABLE'],
    ['two keys', 'RS256', pkcs8(rsa) + pkcs8(rsa), 'KEY_UNREADABLE'],
    ['some JSON', 'RS256', '{"a":1}', 'KEY_UNREADABLE'],
    ['a JWKS', 'RS256', `{"keys":[${jwk(rsa.privateKey)}]}`, 'KEY_UNREADABLE'],
    ['a JWK with a part missing', 'RS256', jwk(rsa.privateKey, { p: undefined }), 'KEY_UNREADABLE'],
    [
      'a JWK whose halves are of two keys',
      'ES256',
      jwk(ec.privateKey, { d: keyPairFor('ES256').privateKey.export({ format: 'jwk' }).d }),
      'KEY_UNREADABLE',
    ],
    [
      'an RSA JWK whose halves are of two keys',
      'RS256',
      jwk(rsa.privateKey, { n: keyPairFor('RS256').publicKey.export({ format: 'jwk' }).n }),
      'KEY_UNREADABLE',
    ],
    [
      'an EC JWK with its point off the curve',
      'ES256',
      jwk(ec.privateKey, { x: keyPairFor('ES256').publicKey.export({ format: 'jwk' }).x }),
      'KEY_UNREADABLE',
    ],
    ['a public PEM', 'RS256', spki(rsa), 'KEY_NOT_PRIVATE'],
    ['a public JWK', 'ES256', jwk(ec.publicKey), 'KEY_NOT_PRIVATE'],
    ['a secret as a JWK', 'RS256', '{"kty":"oct","k":"AAAA"}', 'KEY_WRONG_TYPE'],
    ['an RSA key for ES256', 'ES256', pkcs8(rsa), 'KEY_WRONG_TYPE'],
    ['an EC key for RS256', 'RS256', pkcs8(ec), 'KEY_WRONG_TYPE'],
    ['an EC key of another curve', 'ES256', pkcs8(ec384), 'KEY_WRONG_TYPE'],
    ['an EC key of secp256k1', 'ES256', pkcs8(k1), 'KEY_WRONG_TYPE'],
    ['an EC JWK of another curve', 'ES256', jwk(ec384.privateKey), 'KEY_WRONG_TYPE'],
    ['an Ed25519 key for RS256', 'RS256', pkcs8(ed), 'KEY_WRONG_TYPE'],
    ['an EC key for EdDSA', 'EdDSA', pkcs8(ec), 'KEY_WRONG_TYPE'],
    ['an Ed448 key for EdDSA', 'EdDSA', pkcs8(ed448), 'KEY_WRONG_TYPE'],
    ['a key for RSA-PSS alone', 'PS256', pkcs8(pss), 'KEY_WRONG_TYPE'],
    ['a JWK for encryption', 'RS256', jwk(rsa.privateKey, { use: 'enc' }), 'KEY_WRONG_TYPE'],
    ['a JWK for another algorithm', 'RS256', jwk(rsa.privateKey, { alg: 'PS256' }), 'KEY_WRONG_TYPE'],
    ['an RSA key of 1024 bits', 'RS256', pkcs8(smallRsa), 'KEY_TOO_SMALL'],
    ['an RSA JWK of 1024 bits', 'PS512', jwk(smallRsa.privateKey), 'KEY_TOO_SMALL'],
  ])('%s for %s is refused with its own code', async (_name, algorithm, signingKey, code) => {
    expect((await failure({ algorithm, signingKey })).code).toBe(code);
  });
});

describe('as a verifying key', () => {
  it.each<[string, Algorithm, string, KeyError['code']]>([
    ['nothing', 'RS256', ' ', 'KEY_MISSING'],
    ['a secret', 'RS256', SECRET, 'KEY_UNREADABLE'],
    ['a damaged PEM', 'RS256', spki(rsa).replace(/\n.{64}\n/, '\n'), 'KEY_UNREADABLE'],
    ['an SSH key', 'RS256', 'ssh-rsa AAAAB3NzaC1yc2E me@here', 'KEY_UNREADABLE'],
    ['a key of another type', 'RS256', spki(ec), 'KEY_WRONG_TYPE'],
    ['a JWK of another type', 'RS256', jwk(ec.publicKey), 'KEY_WRONG_TYPE'],
    ['a JWKS with no key that fits', 'RS256', `{"keys":[${jwk(ec.publicKey)},null,1]}`, 'KEY_WRONG_TYPE'],
    ['an empty JWKS', 'RS256', '{"keys":[]}', 'KEY_WRONG_TYPE'],
    ['an RSA key of 1024 bits', 'RS256', spki(smallRsa), 'KEY_TOO_SMALL'],
  ])('%s for %s is refused with its own code', async (_name, algorithm, text, code) => {
    const error = await failure({ algorithm, signingKey: pkcs8(rsa), verifyingKeys: [spki(rsa), text] });
    expect(error.code).toBe(code);
    expect(error.message).toContain('verifying key 2');
  });

  it('a private key serves, with a warning', async () => {
    for (const text of [pkcs8(rsa), jwk(rsa.privateKey)]) {
      const { warnings } = await createCodec(
        optionsFor({ algorithm: 'RS256', signingKey: pkcs8(rsa), verifyingKeys: [text] }),
      );
      expect(warnings).toEqual([expect.stringContaining('verifying key 1 is a private key')]);
    }
  });
});

describe('what is said of a key', () => {
  /** Any eight characters in a row of a key's text that aren't PEM's own words. */
  function quotes(message: string, key: string): boolean {
    const secret = key.replaceAll(/-----[A-Z ]+-----/g, ' ');
    for (let at = 0; at + 8 <= secret.length; at++)
      if (message.includes(secret.slice(at, at + 8))) return true;
    return false;
  }

  it('never quotes it, not even from a JSON error', async () => {
    const damaged = (pair: KeyPair): string[] =>
      [pkcs8(pair), spki(pair), jwk(pair.privateKey), bare(pkcs8(pair))].flatMap((text) => [
        text,
        text.slice(0, -40),
        text.slice(40),
        text.replace(/[A-Za-z0-9]{4}$/m, '!!!!'),
      ]);
    const texts = [rsa, ec, ed, smallRsa].flatMap(damaged).concat(SECRET, `{"kty":${SECRET}`);
    let told = 0;
    for (const text of texts) {
      for (const algorithm of ['HS256', ...ASYMMETRIC] as const) {
        for (const options of [
          { signingKey: text },
          { signingKey: pkcs8(keys(algorithm)), verifyingKeys: [text] },
        ]) {
          const said = await createCodec(optionsFor({ algorithm, ...options })).then(
            ({ warnings }) => warnings.join(' '),
            (error: unknown) =>
              error instanceof KeyError
                ? `${error.message} ${error.stack ?? ''} ${JSON.stringify(error)}`
                : String(error),
          );
          if (said !== '') told++;
          expect(quotes(said, text), said).toBe(false);
        }
      }
    }
    expect(told).toBeGreaterThan(500);
  });

  function keys(algorithm: Algorithm): KeyPair {
    if (algorithm === 'ES256') return ec;
    if (algorithm === 'ES384') return ec384;
    return algorithm === 'EdDSA' ? ed : rsa;
  }

  it('says how to decrypt an encrypted one', async () => {
    for (const signingKey of [encrypted, encryptedPkcs1]) {
      const { message } = await failure({ algorithm: 'RS256', signingKey });
      expect(message).toContain('Decrypt it first: openssl pkey');
    }
  });

  it('says what to do', async () => {
    const { message } = await failure({ algorithm: 'ES256', signingKey: pkcs8(ec384) });
    expect(message).toBe(
      'The signing key is of type ec secp384r1, and ES256 takes ec prime256v1. Give such a key, or choose the algorithm that fits.',
    );
  });
});

it.each([NaN, Infinity, -1])(
  'a leeway of %d is refused: with it nothing would expire',
  async (leewaySeconds) => {
    await expect(createCodec(optionsFor({ leewaySeconds }))).rejects.toThrow(RangeError);
  },
);

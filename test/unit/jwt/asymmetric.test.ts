import { generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import type { CodecOptions, TokenCodec } from '../../../src/jwt/codec.js';
import { mutatedToken } from '../../fuzz/mutated-tokens.js';
import { seededRandom } from '../../fuzz/random.js';
import { ASYMMETRIC, CLAIMS, codecFor, keyPairFor, NOW_SECONDS, NOW_US, pkcs8, spki } from './codecs.js';

const accepts = async (codec: TokenCodec, token: string): Promise<boolean> =>
  (await codec.verify(token, NOW_US)).ok;

describe.each(ASYMMETRIC)('%s', (algorithm) => {
  const pair = keyPairFor(algorithm);
  const other = keyPairFor(algorithm);
  const codecWith = (options: Partial<CodecOptions> = {}): Promise<TokenCodec> =>
    codecFor({ algorithm, signingKey: pkcs8(pair), ...options });

  it('verifies what it signed, with the signing key’s own public key', async () => {
    const codec = await codecWith();
    const token = await codec.sign(CLAIMS);
    expect(await codec.verify(token, NOW_US)).toEqual({ ok: true, claims: CLAIMS });
    expect(Buffer.from(token.split('.')[0]!, 'base64url').toString()).toBe(
      `{"alg":"${algorithm}","typ":"JWT"}`,
    );
  });

  it('refuses a token of another key until that key is given, in any form', async () => {
    const token = await (await codecFor({ algorithm, signingKey: pkcs8(other) })).sign(CLAIMS);
    expect(await accepts(await codecWith(), token)).toBe(false);
    const jwk = other.publicKey.export({ format: 'jwk' });
    const forms = [
      spki(other),
      spki(pair) + spki(other),
      spki(other).replaceAll('\n', '\\n'),
      JSON.stringify(jwk),
      JSON.stringify({
        keys: [
          { kty: 'oct', k: 'AA' },
          { ...jwk, kid: 'a', use: 'sig' },
        ],
      }),
    ];
    if (jwk.kty === 'RSA') forms.push(other.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString());
    for (const form of forms)
      expect(await accepts(await codecWith({ verifyingKeys: [form] }), token)).toBe(true);
  });

  it('reads its signing key in every form', async () => {
    const verifier = await codecWith();
    const forms = [JSON.stringify(pair.privateKey.export({ format: 'jwk' }))];
    const type = pair.privateKey.asymmetricKeyType;
    if (type === 'rsa') forms.push(pair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString());
    if (type === 'ec') {
      const sec1 = pair.privateKey.export({ type: 'sec1', format: 'pem' }).toString();
      // As `openssl ecparam -genkey` writes it.
      forms.push(
        sec1,
        `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${sec1}`,
      );
    }
    for (const signingKey of forms) {
      expect(await accepts(verifier, await (await codecWith({ signingKey })).sign(CLAIMS))).toBe(true);
    }
  });

  it('judges the signature before the claims', async () => {
    const expired = { ...CLAIMS, exp: NOW_SECONDS - 1 };
    const codec = await codecWith();
    expect(await codec.verify(await codec.sign(expired), NOW_US)).toEqual({ ok: false, reason: 'expired' });
    const foreign = await (await codecFor({ algorithm, signingKey: pkcs8(other) })).sign(expired);
    expect(await codec.verify(foreign, NOW_US)).toEqual({ ok: false, reason: 'invalid' });
  });

  it('throws at no token, and takes none that was tampered with', async () => {
    const codec = await codecWith();
    const token = await codec.sign(CLAIMS);
    const random = seededRandom(3);
    for (let i = 0; i < 100; i++) {
      const at = random.below(token.length);
      const changed =
        token.slice(0, at) + random.pick(['A', 'z', '-', '=', '.', '\n', 'é', '']) + token.slice(at + 1);
      if (changed !== token) expect(await accepts(codec, changed), changed).toBe(false);
      const { token: hmac } = mutatedToken(random, 'HS256');
      const claimed =
        Buffer.from(`{"alg":"${algorithm}"}`).toString('base64url') + hmac.slice(hmac.indexOf('.'));
      expect(await accepts(codec, hmac)).toBe(false);
      expect(await accepts(codec, claimed)).toBe(false);
    }
  });
});

it('takes no token of another algorithm of the same key', async () => {
  const signingKey = pkcs8(keyPairFor('RS256'));
  const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;
  for (const signedAs of algorithms) {
    const token = await (await codecFor({ algorithm: signedAs, signingKey })).sign(CLAIMS);
    for (const algorithm of algorithms) {
      expect(await accepts(await codecFor({ algorithm, signingKey }), token)).toBe(algorithm === signedAs);
    }
  }
});

describe('kid', () => {
  const [own, a, b] = [keyPairFor('ES256'), keyPairFor('ES256'), keyPairFor('ES256')];
  const jwks = JSON.stringify({
    keys: [
      { ...a.publicKey.export({ format: 'jwk' }), kid: 'a' },
      { ...b.publicKey.export({ format: 'jwk' }), kid: 'b' },
    ],
  });
  const signed = (key: typeof a, kid?: string): Promise<string> =>
    new SignJWT(CLAIMS)
      .setProtectedHeader({ alg: 'ES256', ...(kid !== undefined && { kid }) })
      .sign(key.privateKey);

  it('chooses among the keys of a JWKS', async () => {
    const codec = await codecFor({ algorithm: 'ES256', signingKey: pkcs8(own), verifyingKeys: [jwks] });
    expect(await accepts(codec, await signed(a, 'a'))).toBe(true);
    expect(await accepts(codec, await signed(b, 'b'))).toBe(true);
    expect(await accepts(codec, await signed(a, 'b'))).toBe(false);
    expect(await accepts(codec, await signed(a, 'unknown'))).toBe(false);
  });

  it('absent from the token or the key, all such keys are tried', async () => {
    const codec = await codecFor({
      algorithm: 'ES256',
      signingKey: pkcs8(own),
      verifyingKeys: [jwks, spki(keyPairFor('ES256'))],
    });
    expect(await accepts(codec, await signed(b))).toBe(true);
    expect(await accepts(codec, await signed(own))).toBe(true);
    expect(await accepts(codec, await signed(own, 'whatever'))).toBe(true);
  });

  it('of a signing JWK is written in the header, in PyJWT’s order', async () => {
    const signingKey = JSON.stringify({ ...own.privateKey.export({ format: 'jwk' }), kid: 'own' });
    const codec = await codecFor({ algorithm: 'ES256', signingKey });
    const token = await codec.sign(CLAIMS);
    expect(Buffer.from(token.split('.')[0]!, 'base64url').toString()).toBe(
      '{"alg":"ES256","kid":"own","typ":"JWT"}',
    );
    expect(await accepts(codec, token)).toBe(true);
    expect(await accepts(codec, await signed(own))).toBe(true);
  });
});

describe('a certificate', () => {
  // Self-signed for this test, with the key below, which signs nothing else.
  const pem = `-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUGXZfldqzZAjAU+uiph6nEWaZx+8wCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUY2FyZWxpbmstdG9rZW5zLXRlc3QwIBcNMjYxMTI0MTExNjA3
WhgPMjEyNjEwMzExMTE2MDdaMB8xHTAbBgNVBAMMFGNhcmVsaW5rLXRva2Vucy10
ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/HLFj5AAgcVFrH9sYwnBtFK1
3rkOiDrXStFk9G7svsZRruuWbISo6DGDZb5nslx4LBCg55dDsDgnB0y0fuX9SqNT
MFEwHQYDVR0OBBYEFAiPUeWkhcqG098ZqOkkretyTX9rMB8GA1UdIwQYMBaAFAiP
UeWkhcqG098ZqOkkretyTX9rMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SAAwRQIgSHsMkfXNw4NU5hz7XL1yhJH01SBp4yAt6aWg4FXIl5ACIQDxD2bZcnMO
yFr0uc7MoNO3GgzJtVCkMFntVBwvzmH/tQ==
-----END CERTIFICATE-----
`;
  const certified = JSON.stringify({
    kty: 'EC',
    crv: 'P-256',
    x: '_HLFj5AAgcVFrH9sYwnBtFK13rkOiDrXStFk9G7svsY',
    y: 'Ua7rlmyEqOgxg2W-Z7JceCwQoOeXQ7A4JwdMtH7l_Uo',
    d: '2FpuGPWCbAMmgYElNdlhf7gGjMQ_pKMu0E9Al5S2BjY',
  });
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  it('verifies what its key signed', async () => {
    const token = await (await codecFor({ algorithm: 'ES256', signingKey: certified })).sign(CLAIMS);
    const codec = await codecFor({ algorithm: 'ES256', signingKey: pkcs8(own), verifyingKeys: [pem] });
    expect(await accepts(codec, token)).toBe(true);
  });

  it('is taken alone: with a chain, its issuers’ keys would verify tokens, too', async () => {
    const chain = codecFor({ algorithm: 'ES256', signingKey: pkcs8(own), verifyingKeys: [pem + pem] });
    await expect(chain).rejects.toThrow(/chain of certificates/);
  });
});

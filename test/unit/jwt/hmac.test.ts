import { createHmac } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import type { TokenCodec } from '../../../src/jwt/codec.js';
import { CLAIMS, codecFor, keyPairFor, NOW_SECONDS, NOW_US, SECRET, spki } from './codecs.js';

const OTHER = SECRET.replaceAll('e', 'E');
const HS = ['HS256', 'HS384', 'HS512'] as const;

const accepts = async (codec: TokenCodec, token: string): Promise<boolean> =>
  (await codec.verify(token, NOW_US)).ok;

function sign(header: string, payload: string, secret: string, hash = 'sha256'): string {
  const input = [header, payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`;
}

describe.each(HS)('%s', (algorithm) => {
  it('signs what jose verifies, and verifies what jose signs', async () => {
    const codec = await codecFor({ algorithm });
    const secret = Buffer.from(SECRET);
    const ours = await codec.sign(CLAIMS);
    const { payload, protectedHeader } = await jwtVerify(ours, secret, {
      currentDate: new Date(NOW_US / 1000),
    });
    expect(payload).toEqual(CLAIMS);
    expect(protectedHeader).toEqual({ alg: algorithm, typ: 'JWT' });
    const theirs = await new SignJWT(CLAIMS).setProtectedHeader({ alg: algorithm }).sign(secret);
    expect(codec.verify(theirs, NOW_US)).toEqual({ ok: true, claims: CLAIMS });
  });

  it('answers without a promise: the hot path waits for nothing', async () => {
    const codec = await codecFor({ algorithm });
    const token = codec.sign(CLAIMS);
    expect(token).toBeTypeOf('string');
    expect(codec.verify(token as string, NOW_US)).toEqual({ ok: true, claims: CLAIMS });
  });

  it('takes no token of another algorithm, though it is signed with the same secret', async () => {
    const codec = await codecFor({ algorithm });
    for (const other of HS) {
      const token = await (await codecFor({ algorithm: other })).sign(CLAIMS);
      expect(await accepts(codec, token)).toBe(other === algorithm);
    }
  });
});

it('the header is written as PyJWT writes it', async () => {
  const token = await (await codecFor()).sign(CLAIMS);
  expect(Buffer.from(token.split('.')[0]!, 'base64url').toString()).toBe('{"alg":"HS256","typ":"JWT"}');
  expect(token).toBe(sign('{"alg":"HS256","typ":"JWT"}', JSON.stringify(CLAIMS), SECRET));
});

it('while secrets rotate, both verify and the first signs', async () => {
  const before = await codecFor({ signingKey: SECRET });
  const during = await codecFor({ signingKey: OTHER, verifyingKeys: [SECRET] });
  const after = await codecFor({ signingKey: OTHER });
  const old = await before.sign(CLAIMS);
  const fresh = await during.sign(CLAIMS);
  expect([await accepts(before, old), await accepts(during, old), await accepts(after, old)]).toEqual([
    true,
    true,
    false,
  ]);
  expect([await accepts(before, fresh), await accepts(during, fresh), await accepts(after, fresh)]).toEqual([
    false,
    true,
    true,
  ]);
});

it('a secret is its UTF-8 bytes, white space and all', async () => {
  const codec = await codecFor({ signingKey: ' gehëim-🔱 ' });
  const payload = JSON.stringify(CLAIMS);
  expect(await accepts(codec, sign('{"alg":"HS256"}', payload, ' gehëim-🔱 '))).toBe(true);
  expect(await accepts(codec, sign('{"alg":"HS256"}', payload, 'gehëim-🔱'))).toBe(false);
});

it('any single bit of a token flipped is refused', async () => {
  const codec = await codecFor();
  const token = Buffer.from(await codec.sign(CLAIMS));
  for (let bit = 0; bit < token.length * 8; bit++) {
    const flipped = Buffer.from(token);
    flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7));
    expect(await accepts(codec, flipped.toString('latin1')), `bit ${bit}`).toBe(false);
  }
});

it('a public key, as PEM, signs nothing that a server with that key accepts', async () => {
  const pair = keyPairFor('RS256');
  const pem = spki(pair);
  const codec = await codecFor({
    algorithm: 'RS256',
    signingKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    verifyingKeys: [pem],
  });
  for (const alg of ['HS256', 'RS256', 'none']) {
    for (const secret of [pem, pem.trim(), '']) {
      expect(await accepts(codec, sign(`{"alg":"${alg}","typ":"JWT"}`, JSON.stringify(CLAIMS), secret))).toBe(
        false,
      );
    }
  }
});

it('the signature is judged before the claims: a forged expired token is invalid, not expired', async () => {
  const codec = await codecFor();
  const expired = JSON.stringify({ ...CLAIMS, exp: NOW_SECONDS - 1 });
  expect(codec.verify(sign('{"alg":"HS256"}', expired, SECRET), NOW_US)).toEqual({
    ok: false,
    reason: 'expired',
  });
  expect(codec.verify(sign('{"alg":"HS256"}', expired, OTHER), NOW_US)).toEqual({
    ok: false,
    reason: 'invalid',
  });
});

it('a bigint user id goes through verify and sign to the digit', async () => {
  const codec = await codecFor();
  const payload = `{"exp":${CLAIMS.exp},"user_id":9007199254740993,"score":1.0}`;
  const verdict = await codec.verify(sign('{"alg":"HS256","typ":"JWT"}', payload, SECRET), NOW_US);
  if (!verdict.ok) expect.unreachable(verdict.reason);
  expect(await codec.sign(verdict.claims)).toBe(sign('{"alg":"HS256","typ":"JWT"}', payload, SECRET));
});

it('aud and iss are set on signing and wanted on verifying', async () => {
  const codec = await codecFor({ audience: ['web', 'app'], issuer: 'us' });
  const token = await codec.sign(CLAIMS);
  expect(await codec.verify(token, NOW_US)).toEqual({
    ok: true,
    claims: { ...CLAIMS, aud: ['web', 'app'], iss: 'us' },
  });
  expect(await accepts(codec, await (await codecFor()).sign(CLAIMS))).toBe(false);
});

import { createPrivateKey, generateKeyPairSync, hkdfSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { chainKeyFrom } from '../../../src/jwt/chain-key.js';
import { KeyError } from '../../../src/jwt/key-error.js';
import { ASYMMETRIC, keyPairFor, pkcs8, SECRET } from './codecs.js';

describe('the chain key', () => {
  it('of a secret never changes: a change would fork every family', () => {
    const expected = hkdfSync('sha256', Buffer.from(SECRET), '', 'carelink-tokens chain key v1', 32);
    expect(chainKeyFrom(SECRET, 'HS256')).toEqual(Buffer.from(expected));
    expect(chainKeyFrom(SECRET, 'HS256').toString('hex')).toMatchInlineSnapshot(
      `"b7e0986d03c5e0b50cf610518e8f735e54b8d1ee56da6105dbeb3ea692b057cd"`,
    );
  });

  it('of a secret is the same for every HS*, and of another secret another', () => {
    expect(chainKeyFrom(SECRET, 'HS512')).toEqual(chainKeyFrom(SECRET, 'HS256'));
    expect(chainKeyFrom(`${SECRET} `, 'HS256')).not.toEqual(chainKeyFrom(SECRET, 'HS256'));
  });

  it.each(ASYMMETRIC)('of one %s key is one, in whatever form it comes', (algorithm) => {
    const pair = keyPairFor(algorithm);
    const pem = pkcs8(pair);
    const jwk = pair.privateKey.export({ format: 'jwk' });
    const forms = [
      pem,
      pem.trim(),
      `\n\n  ${pem}\n\n`,
      pem.replaceAll('\n', '\r\n'),
      pem.replaceAll('\n', '\\n'),
      pem.replaceAll('\n', ' '),
      `Bag Attributes\n    friendlyName: x\n${pem}`,
      JSON.stringify(jwk),
      JSON.stringify({ use: 'sig', kid: 'x', ...jwk }, null, 2),
    ];
    const type = pair.privateKey.asymmetricKeyType;
    if (type === 'rsa') forms.push(pair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString());
    if (type === 'ec') forms.push(pair.privateKey.export({ type: 'sec1', format: 'pem' }).toString());
    const keys = forms.map((form) => chainKeyFrom(form, algorithm).toString('hex'));
    expect(new Set(keys).size).toBe(1);
    expect(chainKeyFrom(pkcs8(keyPairFor(algorithm)), algorithm).toString('hex')).not.toBe(keys[0]);
  });

  it('of an EC key does not depend on whether its public point is written beside it', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const der = privateKey.export({ type: 'sec1', format: 'der' });
    // ECPrivateKey (RFC 5915): version, the 32 bytes, [0] the curve, and no [1] public point.
    const bare = Buffer.concat([Buffer.from([0x30, 49]), der.subarray(2, 7 + 32 + 12)]);
    const form = createPrivateKey({ key: bare, format: 'der', type: 'sec1' });
    const text = form.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(text.length).toBeLessThan(pkcs8({ privateKey, publicKey: privateKey }).length);
    expect(chainKeyFrom(text, 'ES256')).toEqual(
      chainKeyFrom(pkcs8({ privateKey, publicKey: privateKey }), 'ES256'),
    );
  });

  it.each(['', '  '])('of nothing is an error: %j', (text) => {
    expect(() => chainKeyFrom(text, 'HS256')).toThrow(KeyError);
    expect(() => chainKeyFrom(text, 'RS256')).toThrow(KeyError);
  });
});

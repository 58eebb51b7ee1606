import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';
import { pairOf, refresh, verify, whoami } from './api.js';
import { startPair, type Mode, type Pair } from './pair.js';

interface Setting {
  readonly title: string;
  readonly signingKey?: string;
  readonly algorithm: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
}

const AUDIENCE = 'https://wards.example';
const ISSUER = 'https://carelink.example';

const SETTINGS: readonly Setting[] = [
  {
    title: 'HS512 with an audience and an issuer',
    algorithm: 'HS512',
    env: { DJANGO_AUDIENCE: AUDIENCE, DJANGO_ISSUER: ISSUER },
    args: ['--audience', AUDIENCE, '--issuer', ISSUER],
    claims: { aud: AUDIENCE, iss: ISSUER },
  },
  { title: 'ES256', ...keyPair(), algorithm: 'ES256', claims: {} },
];

const ready = services().postgres !== undefined && services().django;

export function algorithmsSuite(modes: readonly Mode[]): void {
  const settings = SETTINGS.flatMap((setting) => modes.map((mode) => ({ ...setting, ...mode })));

  describe.skipIf(!ready).each(settings)('$title, $mode', ({ args = [], claims, ...options }) => {
    let pair: Pair;
    beforeAll(async () => {
      pair = await startPair({ ...options, args: ['--algorithm', options.algorithm, ...args] });
    });
    afterAll(() => pair.close());

    test('a session goes to and fro, and each side accepts what the other signed', async () => {
      const user = await pair.django.makeUser();
      let { refresh: token } = await pair.django.mint(user);
      for (const [side, other] of [
        [pair.url, pair.django.url],
        [pair.django.url, pair.url],
        [pair.url, pair.django.url],
        [pair.url, pair.django.url],
      ] as const) {
        const next = pairOf(await refresh(side, token));
        for (const signed of [next.access, next.refresh]) {
          expect(decodeToken(signed).header).toEqual({ alg: options.algorithm, typ: 'JWT' });
          expect(decodeToken(signed).claims).toMatchObject(claims);
          expect((await verify(other, signed)).status).toBe(200);
        }
        expect((await whoami(pair.django.url, next.access)).body).toEqual({ user_id: user });
        token = next.refresh;
      }
      if (options.async) expect(await pair.claimedInRedis()).toBeGreaterThan(0);
    });

    test('a token whose signature was changed is refused by both', async () => {
      const { refresh: token } = await pair.django.mint(await pair.django.makeUser());
      const [header, payload, signature] = token.split('.') as [string, string, string];
      const forged = [
        header,
        payload,
        signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`,
      ];
      for (const side of [pair.url, pair.django.url])
        expect((await refresh(side, forged.join('.'))).status).toBe(401);
    });
  });
}

/** Django signs with the private key and verifies with the public one; the server derives that itself. */
function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return { signingKey: privateKey, env: { DJANGO_VERIFYING_KEY: publicKey } };
}

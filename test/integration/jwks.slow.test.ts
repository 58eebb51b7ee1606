/** Whoever verifies by `/.well-known/jwks.json` finds the keys of what is signed here, also while they change. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calculateJwkThumbprint, createRemoteJWKSet, jwtVerify, SignJWT, type JWK } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../support/redis.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';

const KINDS: Record<string, () => { privateKey: KeyObject; publicKey: KeyObject }> = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();

describe.skipIf(services().postgres === undefined)('public keys', () => {
  const world = rotationWorld();

  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'carelink-jwks-'));
    onTestFinished(() => rmSync(made, { recursive: true }));
    return made;
  };

  const serve = async (...args: string[]) => {
    const server = await startServer({
      databaseUrl: world.url,
      args: [...args, '--token-type-claim', 'token_type'],
      env: args.includes('--signing-key-file') ? { CARELINK_SIGNING_KEY: '' } : {},
    });
    onTestFinished(() => server.stop());
    const keysUrl = new URL(`${server.url}/account/token/.well-known/jwks.json`);
    return {
      server,
      keysUrl,
      keys: async () => ((await (await fetch(keysUrl)).json()) as { keys: JWK[] }).keys,
    };
  };

  const login = async (key: KeyObject, alg: string, header: object = {}) => {
    const { userId } = await world.login();
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({
      token_type: 'refresh',
      user_id: String(userId),
      jti: crypto.randomUUID().replaceAll('-', ''),
    })
      .setProtectedHeader({ alg, typ: 'JWT', ...header })
      .setIssuedAt(now)
      .setExpirationTime(now + 3_600)
      .sign(key);
  };

  const refreshed = async (url: string, refresh: string): Promise<string> => {
    const answer = await fetch(`${url}/account/token/refresh/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh }),
    });
    const body = (await answer.json()) as { access: string };
    expect([answer.status, body]).toEqual([200, expect.anything()]);
    return body.access;
  };

  it.each(Object.keys(KINDS))(
    'of %s verify what is signed, and are named by their thumbprint',
    async (alg) => {
      const { privateKey } = KINDS[alg]!();
      const file = join(folder(), 'key.pem');
      writeFileSync(file, pem(privateKey), { mode: 0o600 });
      const { server, keysUrl, keys } = await serve('--algorithm', alg, '--signing-key-file', file);
      const access = await refreshed(server.url, await login(privateKey, alg));
      const { payload } = await jwtVerify(access, createRemoteJWKSet(keysUrl));
      expect(payload['token_type']).toBe('access');

      const answer = await fetch(keysUrl);
      expect(answer.headers.get('content-type')).toBe('application/jwk-set+json');
      expect(answer.headers.get('cache-control')).toBe('public, max-age=300');
      const [key, ...more] = await keys();
      expect(more).toEqual([]);
      expect(key).toMatchObject({ alg, use: 'sig', kid: await calculateJwkThumbprint(key!) });
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(key).not.toHaveProperty(secret);
    },
  );

  it('of a JWK keep its kid, which is in the headers of tokens', async () => {
    const { privateKey } = KINDS['ES256']!();
    const file = join(folder(), 'key.json');
    writeFileSync(file, JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: 'winter' }), {
      mode: 0o600,
    });
    const { server, keysUrl, keys } = await serve('--algorithm', 'ES256', '--signing-key-file', file);
    expect((await keys()).map(({ kid }) => kid)).toEqual(['winter']);
    const access = await refreshed(server.url, await login(privateKey, 'ES256', { kid: 'winter' }));
    expect((await jwtVerify(access, createRemoteJWKSet(keysUrl))).protectedHeader.kid).toBe('winter');
  });

  it('are those of the old and of the new key after a change of keys', async () => {
    const [old, next] = [KINDS['ES256']!(), KINDS['ES256']!()];
    const directory = folder();
    const [file, others] = [join(directory, 'key.pem'), join(directory, 'others.pem')];
    const publicPem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
    writeFileSync(file, pem(old.privateKey), { mode: 0o600 });
    writeFileSync(others, publicPem(old.publicKey), { mode: 0o600 });
    const server = await startServer({
      databaseUrl: world.url,
      args: ['--algorithm', 'ES256', '--signing-key-file', file, '--verifying-key-file', others],
      env: { CARELINK_SIGNING_KEY: '', CARELINK_CHAIN_KEY: 'ab'.repeat(32) },
    });
    onTestFinished(() => server.stop());
    const keysUrl = new URL(`${server.url}/account/token/.well-known/jwks.json`);
    const keys = async () => ((await (await fetch(keysUrl)).json()) as { keys: JWK[] }).keys;
    const before = await keys();
    expect(before).toHaveLength(1);
    writeFileSync(file, pem(next.privateKey), { mode: 0o600 });
    server.kill('SIGHUP');
    await until(async () => (await keys()).length === 2);
    expect((await keys()).map(({ kid }) => kid)).toContain(before[0]!.kid);
    const access = await refreshed(server.url, await login(old.privateKey, 'ES256'));
    // Signed by the new one, though what came was of the old one.
    const found = (await keys()).find(({ kid }) => kid !== before[0]!.kid);
    expect((await jwtVerify(access, found!)).payload['token_type']).toBe('access');
  });

  it('are not to be had where keys are secrets', async () => {
    const { keysUrl } = await serve();
    const answer = await fetch(keysUrl);
    expect([answer.status, await answer.json()]).toEqual([
      404,
      { detail: 'Not found.', error: 'Not found.' },
    ]);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../cli/run.js';
import { services } from '../support/services.js';
import { decodeToken, TEST_SIGNING_KEY } from '../support/tokens.js';
import { pairOf, refresh } from './api.js';
import { startPair, type Mode, type Pair } from './pair.js';

const ready = services().postgres !== undefined && services().redis !== undefined && services().django;

export function revokeSuite(modes: readonly Mode[]): void {
  describe.skipIf(!ready).each(modes)('what an operator revokes, $mode', (options) => {
    let pair: Pair;
    let directory: string;
    beforeAll(async () => {
      pair = await startPair(options);
      directory = mkdtempSync(join(tmpdir(), 'carelink-revoke-'));
    });
    afterAll(async () => {
      rmSync(directory, { recursive: true });
      await pair.close();
    });
    const revoke = (...args: string[]) =>
      run(['revoke', '--database-url', pair.database, '--yes', ...args], {
        CARELINK_SIGNING_KEY: TEST_SIGNING_KEY,
      });
    const successorOf = async (url: string, token: string) => pairOf(await refresh(url, token)).refresh;
    const statuses = async (token: string) => [
      (await refresh(pair.url, token)).status,
      (await refresh(pair.django.url, token)).status,
    ];

    test('a user: neither side refreshes it; what Django rotated without a row is refused here', async () => {
      const user = await pair.django.makeUser();
      const [ours, theirs, rotating] = [
        await pair.django.mint(user),
        await pair.django.mint(user),
        await pair.django.mint(user),
      ];
      const successor = await successorOf(pair.url, ours.refresh);
      // simplejwt 5.2 writes no row of the token that it hands out here.
      const rowless = await successorOf(pair.django.url, rotating.refresh);
      const { code, stdout } = await revoke('--user', user);
      expect([code, stdout]).toEqual([0, expect.stringContaining('Revoked 2 tokens')]);
      expect(await statuses(successor)).toEqual([401, 401]);
      expect(await statuses(theirs.refresh)).toEqual([401, 401]);
      expect((await refresh(pair.url, rowless)).status).toBe(401);
      const other = await pair.django.mint(await pair.django.makeUser());
      expect((await refresh(pair.django.url, other.refresh)).status).toBe(200);
    });

    test('a family, and a jti: Django refuses the tip', async () => {
      const user = await pair.django.makeUser();
      for (const by of ['--family', '--jti']) {
        const first = (await pair.django.mint(user)).refresh;
        const tip = await successorOf(pair.url, first);
        const file = join(directory, 'token');
        writeFileSync(file, first);
        const target = by === '--family' ? file : String(decodeToken(first).claims['jti']);
        expect((await revoke(by, target)).code).toBe(0);
        expect(await statuses(tip)).toEqual([401, 401]);
      }
    });

    test('everybody: Django refuses what has a row, this server the rest, too', async () => {
      const user = await pair.django.makeUser();
      const held = (await pair.django.mint(user)).refresh;
      const rotating = (await pair.django.mint(user)).refresh;
      const rowless = await successorOf(pair.django.url, rotating);
      expect((await revoke('--issued-before', 'now')).code).toBe(0);
      expect(await statuses(held)).toEqual([401, 401]);
      expect((await refresh(pair.url, rowless)).status).toBe(401);
    });
  });
}

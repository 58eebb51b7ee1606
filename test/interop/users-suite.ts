import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Variant } from '../support/django.js';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { NO_ACTIVE_ACCOUNT, pairOf, refresh, whoami } from './api.js';
import { heard, startPair, type Mode, type Pair } from './pair.js';

interface UserModel {
  readonly title: string;
  readonly variant: Variant;
  readonly identity?: boolean;
  readonly args?: readonly string[];
  /** The user's id, where it is not Django's to choose. */
  readonly id?: string;
  readonly table: string;
  readonly key: string;
  readonly active: string;
}

const MODELS: readonly UserModel[] = [
  { title: 'integer ids in auth_user', variant: 'auth', table: 'auth_user', key: 'id', active: 'is_active' },
  {
    title: 'bigint ids over 2^53, IDENTITY columns, the user table found by the foreign key',
    variant: 'bigint',
    identity: true,
    id: '9007199254740993',
    table: 'people_bigintuser',
    key: 'id',
    active: 'is_active',
  },
  {
    title: 'uuid ids, the user table found by the foreign key',
    variant: 'uuid',
    table: 'people_uuiduser',
    key: 'id',
    active: 'is_active',
  },
  {
    title: 'a user table, key and active column named by flags',
    variant: 'staff',
    args: [
      '--user-table',
      'hospital_staff',
      '--user-id-column',
      'staff_no',
      '--user-active-column',
      'employed',
    ],
    table: 'hospital_staff',
    key: 'staff_no',
    active: 'employed',
  },
];

const ready = services().postgres !== undefined && services().django;

export function usersSuite(modes: readonly Mode[]): void {
  const models = MODELS.flatMap((model) => modes.map((mode) => ({ ...model, ...mode })));

  describe.skipIf(!ready).each(models)(
    '$title, $mode',
    ({ table, key, active, id, args = [], ...options }) => {
      let pair: Pair;
      let user: string;
      const newUser = async () => (id === undefined ? await pair.django.makeUser() : await nextUser());
      let taken = 0;
      const nextUser = () => pair.django.makeUser({ id: String(BigInt(id!) + 2n * BigInt(taken++)) });

      beforeAll(async () => {
        pair = await startPair({ ...options, args, migrateArgs: args });
        user = await newUser();
      });
      afterAll(() => pair.close());

      test('a session goes to and fro, and the user id stays as Django wrote it', async () => {
        const minted = await pair.django.mint(user);
        const written = userIdText(minted.refresh);
        if (id !== undefined) expect(written).toBe(id);
        let token = minted.refresh;
        for (const side of [pair.url, pair.django.url, pair.url, pair.url, pair.django.url]) {
          const next = pairOf(await refresh(side, token));
          expect(userIdText(next.refresh)).toBe(written);
          expect(userIdText(next.access)).toBe(written);
          expect((await whoami(pair.django.url, next.access)).body).toEqual({ user_id: user });
          token = next.refresh;
        }
        if (options.async) expect(await pair.claimedInRedis()).toBeGreaterThan(0);
      });

      test("a successor's row belongs to the user", async () => {
        const { refresh: token } = pairOf(await refresh(pair.url, (await pair.django.mint(user)).refresh));
        const rows = await query(
          pair.database,
          'SELECT user_id::text FROM token_blacklist_outstandingtoken WHERE token = $1',
          [token],
        );
        expect(rows).toEqual([{ user_id: user }]);
      });

      test('a user who was made inactive is refused, and goes on with the same token once active again', async () => {
        const nurse = await newUser();
        const { refresh: token } = pairOf(await refresh(pair.url, (await pair.django.mint(nurse)).refresh));
        await pair.django.deactivateUser(nurse);
        await heard(options);
        await expectNoActiveAccount(pair.url, token);
        await query(pair.database, `UPDATE ${table} SET ${active} = true WHERE ${key}::text = $1`, [nurse]);
        await heard(options);
        expect((await refresh(pair.url, token)).status).toBe(200);
      });

      test('a user who was deleted is refused', async () => {
        const nurse = await newUser();
        const { refresh: token } = pairOf(await refresh(pair.url, (await pair.django.mint(nurse)).refresh));
        await pair.django.deleteUser(nurse);
        await heard(options);
        await expectNoActiveAccount(pair.url, token);
      });
    },
  );
}

async function expectNoActiveAccount(url: string, token: string): Promise<void> {
  const reply = await refresh(url, token);
  expect(reply).toMatchObject({ status: 401, body: NO_ACTIVE_ACCOUNT });
  expect(Object.keys(reply.body as object).sort()).toEqual(['detail', 'error']);
  expect(reply.headers['www-authenticate']).toBe('Bearer realm="api"');
}

/** The user id as it stands in the token's JSON: a bigint would not survive JSON.parse. */
function userIdText(token: string): string | undefined {
  const payload = Buffer.from(token.split('.')[1]!, 'base64url').toString();
  return /"user_id": ?("[^"]*"|[^,}]*)/.exec(payload)?.[1];
}
